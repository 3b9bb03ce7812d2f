"""Caption dumps: the one format that every analysis reads.

JSONL in UTF-8, gzip when the name ends in .gz.  Line 1 is a header, then one record a caption:

    {"format": "caption-dump", "version": 1, "name": "mini-clip", "split": "test", "count": 3, "seed": 1, ...}
    {"image_id": 42, "file_name": "...42.jpg", "caption": "a dog", "tokens": ["a", "dog"], "logprob": -3.1,
     "scores": {"mini-clip": 0.31}}

`count` is the number of records that follow: a file cut anywhere, even at the end of a line, is refused with its
line number.  COCO results JSON (`[{"image_id": 42, "caption": "a dog"}, ...]`) is read and written too.  Either is read
whole by `read_dump`, or record by record by `stream_dump`, whatever its size.
No torch here: a dump made by any tool can be read on a machine that has none.
"""

import gzip
import json
import math
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from probing_vlp.errors import UserError
from probing_vlp.files import atomic_write
from probing_vlp.json_list import json_entries
from probing_vlp.records import CaptionRecord

FORMAT, VERSION = "caption-dump", 1
LARGEST_ID = (1 << 63) - 1
HALF = "holds half of a surrogate pair, which is no character and cannot be written; mend the text"
HEADER: dict[str, tuple[type, str]] = {
    "name": (str, "a text"),
    "config": (dict, "an object"),
    "options": (dict, "an object"),
    "scorers": (list, "a list of names"),
    "mini_scorers": (list, "a list of names"),
}
"""What a header may say that is read again, and of which type; the rest is anything."""


@dataclass(frozen=True)
class CaptionDump:
    """A header and its records.  `name` labels the dump in reports."""

    name: str
    records: tuple[CaptionRecord, ...]
    header: Mapping[str, Any] = field(default_factory=dict)
    path: Path | None = None


@dataclass(frozen=True)
class DumpStream:
    """A dump that is read on: `records` can be gone through once, a few at a time in memory."""

    name: str
    records: Iterator[CaptionRecord]
    header: Mapping[str, Any]
    path: Path

    @property
    def count(self) -> int | None:
        """How many records the header promises; None for COCO results, which do not say."""
        return self.header.get("count")


def write_dump(path: Path, header: Mapping[str, Any], records: Sequence[CaptionRecord]) -> None:
    """Write aside, flush, rename: `path` is either whole or untouched.  A name that ends in .json gets COCO results."""
    if path.suffix == ".json":
        write_coco_results(path, records)
        return
    head = {"format": FORMAT, "version": VERSION, **header, "count": len(records)}
    lines = [json.dumps(head, ensure_ascii=False)] + [record_line(r) for r in records]
    data = ("\n".join(lines) + "\n").encode()
    # mtime=0: the same captions give the same bytes
    atomic_write(path, gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


def record_line(record: CaptionRecord) -> str:
    """One record as a JSON line, floats in full precision."""
    return json.dumps(
        {
            "image_id": record.image_id,
            "file_name": record.file_name,
            "caption": record.caption,
            "tokens": list(record.tokens),
            "logprob": record.logprob,
            "scores": dict(record.scores),
        },
        ensure_ascii=False,
    )


def write_coco_results(path: Path, records: Iterable[CaptionRecord]) -> None:
    """The results format of the COCO caption server: image ids and captions alone."""
    rows = [{"image_id": r.image_id, "caption": r.caption} for r in records]
    atomic_write(path, json.dumps(rows, ensure_ascii=False).encode())


def read_dump(path: Path, name: str | None = None) -> CaptionDump:
    """Read a dump or a COCO results file.  Raises UserError naming the line for a cut or foreign file."""
    stream = stream_dump(path, name)
    return CaptionDump(stream.name, tuple(stream.records), stream.header, path)


def stream_dump(path: Path, name: str | None = None) -> DumpStream:
    """Open a dump or a COCO results file of any size: the header now, each record when it is asked for.

    Raises UserError as `read_dump` does; what is wrong further down is raised when the records come there.
    """
    label = name or path.name.split(".")[0]
    if _is_list(path):
        return DumpStream(label, (_coco_record(path, i, row) for i, row in enumerate(_entries(path))), {}, path)
    lines = _lines(path)
    header = _parse(path, 1, next(lines, ""))
    if header.get("format") != FORMAT:
        raise UserError(f'{path}, line 1: not a caption dump (no "format": "{FORMAT}") nor a COCO results list')
    if header.get("version") != VERSION:
        raise UserError(f"{path}, line 1: dump version {header.get('version')}; this project reads {VERSION}")
    _check_header(path, header)
    return DumpStream(name or header.get("name") or label, _records(path, header, lines), header, path)


def _check_header(path: Path, header: Mapping[str, Any]) -> None:
    for key, (kind, wanted) in HEADER.items():
        value: Any = header.get(key, kind())
        names = value if isinstance(value, list) else []
        if not isinstance(value, kind) or not all(isinstance(name, str) for name in names):
            raise UserError(f"{path}, line 1: {key} is {_brief(value)}, not {wanted}; mend it, or leave it out")
    data = header.get("config", {}).get("data", {})
    if not isinstance(data, dict):
        raise UserError(f"{path}, line 1: config.data is {_brief(data)}, not an object; mend it, or leave it out")
    for key, value in data.items():
        if not isinstance(value, str | bool | None):
            raise UserError(f"{path}, line 1: config.data.{key} is {_brief(value)}, not a text; mend or delete it")


def _brief(value: Any) -> str:
    return json.dumps(value)[:60]


def _records(path: Path, header: Mapping[str, Any], lines: Iterator[str]) -> Iterator[CaptionRecord]:
    number = 1
    for number, line in enumerate(lines, 2):
        yield parse_record(path, number, line)
    if number - 1 != header.get("count"):
        raise UserError(
            f"{path}, line {number}: the file ends after {number - 1} of "
            f"{header.get('count')} captions; make the dump again with --resume"
        )


def parse_record(path: Path, number: int, line: str) -> CaptionRecord:
    """A record from line `number` of `path`."""
    row = _parse(path, number, line)
    name, tokens, logprob, scores = (
        row.get("file_name") or "",
        row.get("tokens") or [],
        row.get("logprob"),
        row.get("scores") or {},
    )
    for fits, wanted in (
        (_is_captioned(row), "a record needs an integer image_id and a text caption"),
        (isinstance(name, str), "file_name is a text"),
        (isinstance(tokens, list) and all(isinstance(t, str) for t in tokens), "tokens are a list of texts"),
        (_is_number(logprob), "logprob is a number or null"),
        (isinstance(scores, dict) and all(map(_is_number, scores.values())), "scores are numbers or null by scorer"),
    ):
        if not fits:
            raise UserError(f"{path}, line {number}: {wanted}")
    return CaptionRecord(row["image_id"], row["caption"], name, tuple(tokens), logprob, scores)


def finite_or_none(value: float) -> float | None:
    """JSON has no NaN: an unscored caption is written as null."""
    return float(value) if math.isfinite(value) else None


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    """The text of a file, packed or not; what cannot be read is a UserError, at once or where the reading gets to."""
    try:
        with open(path, "rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
        # newline="\n": a carriage return or U+2028 inside a line does not end it; -sig: some editors mark UTF-8
        with (
            gzip.open(path, "rt", encoding="utf-8-sig", newline="\n")
            if packed
            else open(path, encoding="utf-8-sig", newline="\n")
        ) as file:
            yield file
    except FileNotFoundError:
        raise UserError(f"{path}: no such dump; make one with: python probe.py dump --run RUN") from None
    except IsADirectoryError:
        raise UserError(f"{path}: is a folder; name the dump file in it (dumps{os.sep}*.jsonl)") from None
    except (EOFError, zlib.error, gzip.BadGzipFile, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cut or not a text file ({error}); make the dump again") from None


def _lines(path: Path) -> Iterator[str]:
    with _opened(path) as file:
        for line in file:
            yield line.removesuffix("\n")


def _is_list(path: Path) -> bool:
    """Whether the file begins as a JSON list does; reads no further than that."""
    with _opened(path) as file:
        starts = (block.lstrip() for block in iter(lambda: file.read(1 << 12), ""))
        return next(filter(None, starts), "").startswith("[")


def _entries(path: Path) -> Iterator[Any]:
    with _opened(path) as file:
        yield from json_entries(file, str(path))


def _parse(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise UserError(
            f"{path}, line {number}: not JSON ({error.msg} at column {error.colno}); the dump was cut or "
            "is of another format; make it again with --resume"
        ) from None
    except (RecursionError, ValueError) as error:  # nested too deeply, or a number of thousands of digits
        reason = str(error).split(";")[0]
        raise UserError(f"{path}, line {number}: not JSON ({reason}); make the dump again") from None
    if not isinstance(row, dict):
        raise UserError(f"{path}, line {number}: expected a JSON object, found {type(row).__name__}")
    # only an escape makes one: a file with the bytes of one is no UTF-8
    if "\\u" in line and not _is_whole(json.dumps(row, ensure_ascii=False)):
        raise UserError(f"{path}, line {number}: {HALF}")
    return row


def _is_whole(text: str) -> bool:
    """Whether a text has no lone surrogate, which UTF-8 cannot hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_captioned(row: Any) -> bool:
    if not (isinstance(row, dict) and type(row.get("image_id")) is int and isinstance(row.get("caption"), str)):
        return False
    return -LARGEST_ID <= row["image_id"] <= LARGEST_ID


def _is_number(value: Any) -> bool:
    return value is None or type(value) in (int, float)


def _coco_record(path: Path, i: int, row: Any) -> CaptionRecord:
    if not _is_captioned(row):
        raise UserError(f"{path}, entry {i}: a COCO result needs an integer image_id and a text caption")
    if not _is_whole(row["caption"]):
        raise UserError(f"{path}, entry {i}: its caption {HALF}")
    return CaptionRecord(row["image_id"], row["caption"])
