"""Caption dumps: the one format that every analysis reads.

JSONL in UTF-8, gzip when the name ends in .gz.  Line 1 is a header, then one record a caption:

    {"format": "caption-dump", "version": 1, "name": "mini-clip", "split": "test", "count": 3, "seed": 1, ...}
    {"image_id": 42, "file_name": "...42.jpg", "caption": "a dog", "tokens": ["a", "dog"], "logprob": -3.1,
     "scores": {"mini-clip": 0.31}}

`count` is the number of records that follow: a file cut anywhere, even at the end of a line, is refused with its
line number.  COCO results JSON (`[{"image_id": 42, "caption": "a dog"}, ...]`) is read and written too.
No torch here: a dump made by any tool can be read on a machine that has none.
"""

import gzip
import json
import math
import os
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from probing_vlp.errors import UserError
from probing_vlp.files import atomic_write
from probing_vlp.records import CaptionRecord

FORMAT, VERSION = "caption-dump", 1


@dataclass(frozen=True)
class CaptionDump:
    """A header and its records.  `name` labels the dump in reports."""

    name: str
    records: tuple[CaptionRecord, ...]
    header: Mapping[str, Any] = field(default_factory=dict)
    path: Path | None = None


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
    text = _read_text(path)
    label = name or path.name.split(".")[0]
    if text.lstrip().startswith("["):
        return CaptionDump(label, _coco_records(path, text), {}, path)
    lines = text.split("\n")
    header = _parse(path, 1, lines[0])
    if header.get("format") != FORMAT:
        raise UserError(f'{path}, line 1: not a caption dump (no "format": "{FORMAT}") nor a COCO results list')
    if header.get("version") != VERSION:
        raise UserError(f"{path}, line 1: dump version {header.get('version')}; this project reads {VERSION}")
    body = lines[1:]
    if body and body[-1] == "":
        body.pop()
    records = tuple(parse_record(path, i, line) for i, line in enumerate(body, 2))
    if len(records) != header.get("count"):
        raise UserError(
            f"{path}, line {len(records) + 1}: the file ends after {len(records)} of "
            f"{header.get('count')} captions; make the dump again with --resume"
        )
    return CaptionDump(name or header.get("name") or label, records, header, path)


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


def _read_text(path: Path) -> str:
    try:
        raw = path.read_bytes()
        if raw[:2] == b"\x1f\x8b":
            raw = gzip.decompress(raw)
        return raw.decode("utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: no such dump; make one with: python probe.py dump --run RUN") from None
    except IsADirectoryError:
        raise UserError(f"{path}: is a folder; name the dump file in it (dumps{os.sep}*.jsonl)") from None
    except (EOFError, zlib.error, gzip.BadGzipFile, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cut or not a text file ({error}); make the dump again") from None


def _parse(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise UserError(
            f"{path}, line {number}: not JSON ({error.msg} at column {error.colno}); the dump was cut or "
            "is of another format; make it again with --resume"
        ) from None
    if not isinstance(row, dict):
        raise UserError(f"{path}, line {number}: expected a JSON object, found {type(row).__name__}")
    return row


def _is_captioned(row: Any) -> bool:
    return isinstance(row, dict) and type(row.get("image_id")) is int and isinstance(row.get("caption"), str)


def _is_number(value: Any) -> bool:
    return value is None or type(value) in (int, float)


def _coco_records(path: Path, text: str) -> tuple[CaptionRecord, ...]:
    try:
        rows = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(
            f"{path}, line {error.lineno}: not JSON ({error.msg}); a COCO results file is one list"
        ) from None
    for i, row in enumerate(rows):
        if not _is_captioned(row):
            raise UserError(f"{path}, entry {i}: a COCO result needs an integer image_id and a text caption")
    return tuple(CaptionRecord(row["image_id"], row["caption"]) for row in rows)
