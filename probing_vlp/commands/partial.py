"""A dump in the making: it grows in a file beside its place (`.NAME.partial`), a chunk of images at a time, each chunk
flushed; `--resume` goes on after the last whole line.  The dump itself appears at once, whole.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from probing_vlp.dump import parse_record, record_line, write_dump
from probing_vlp.errors import UserError
from probing_vlp.files import atomic_write, naming, nearest
from probing_vlp.records import CaptionRecord

CHUNK = 128
"""Images decoded, scored and written at a time."""


class Partial:
    """A dump in the making; `done` records of it are already there."""

    def __init__(self, out: Path, header: Mapping[str, Any], resume: bool) -> None:
        self.out, self.header, self.records = out, dict(header), []
        refuse_folder(out)
        self.path = out.with_name(f".{out.name}.partial")
        first = json.dumps(self.header, sort_keys=True)
        if resume and self.path.exists():
            self.records = self._read(first)
        # rewritten: a line cut by a kill goes
        atomic_write(self.path, "".join(f"{line}\n" for line in [first, *map(record_line, self.records)]).encode())
        self.file = open(self.path, "a", encoding="utf-8")  # noqa: SIM115

    @property
    def done(self) -> int:
        """Records already there."""
        return len(self.records)

    def add(self, records: Sequence[CaptionRecord]) -> None:
        """Append and flush to disk."""
        self.records.extend(records)
        with naming(self.path):
            self.file.write("".join(record_line(record) + "\n" for record in records))
            self.file.flush()
            os.fsync(self.file.fileno())

    def finish(self) -> None:
        """Put the whole dump in its place."""
        self.file.close()
        write_dump(self.out, self.header, self.records)
        self.path.unlink()

    def _read(self, first: str) -> list[CaptionRecord]:
        lines = self.path.read_text(encoding="utf-8").split("\n")
        if lines[0] != first:
            raise UserError(
                f"{self.path}: was begun with other options or another checkpoint; delete it, or leave out --resume"
            )
        whole = lines[1:-1]  # what follows the last newline was cut
        return [parse_record(self.path, i, line) for i, line in enumerate(whole[: len(whole) // CHUNK * CHUNK], 2)]


def agrees(header: Mapping[str, Any], told: Mapping[str, Any]) -> bool:
    """Whether the header of a file says all that is `told`, as JSON writes it."""
    return all(header.get(key) == value for key, value in json.loads(json.dumps(told)).items())


def refuse_folder(out: Path) -> None:
    """UserError for a folder where a file is to be."""
    if out.is_dir():
        raise UserError(f"{out}: is a folder; name the dump file with --out")


def check_scored_place(out: Path) -> None:
    """UserError for a path that cannot be written, or whose format has no room for scores; leaves nothing behind."""
    if out.suffix == ".json":
        raise UserError(f"{out}: COCO results hold captions alone; for the scores too give --out {out.stem}.jsonl")
    refuse_folder(out)
    above, refused = nearest(out.absolute().parent)
    if refused:
        raise UserError(f"{out}: cannot be written in {above} ({refused}); give another --out")
