"""Bottom-up-attention TSV files: one line an image, no header, arrays as base64, in three orders of columns.

    LXMERT   img_id img_h img_w objects_id objects_conf attrs_id attrs_conf num_boxes boxes features
    classic  image_id image_w image_h num_boxes boxes features
    ROSITA   filename x image_h image_w num_boxes boxes objects_id objects_conf attrs_id attrs_conf

Arrays of float32: boxes (R, 4) x1 y1 x2 y2 in pixels, features (R, D); LXMERT's ids are int64.  Mind that height stands
before width in two of them.  Where each line begins is found once and kept in the cache folder, for a file of this size
and time of change; ROSITA's own `.lineidx` saves looking.
"""

import base64
import binascii
import contextlib
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from probing_vlp.data.region_file import RegionFile, make_regions
from probing_vlp.errors import UserError
from probing_vlp.files import atomic_write, cache_dir
from probing_vlp.records import Regions

LAYOUTS = {
    "LXMERT": "name height width - confidence - - count boxes features",
    "classic": "name width height count boxes features",
    "ROSITA": "name features height width count boxes - confidence - -",
}
"""Columns by their meaning; `-` is not read."""
TAB = b"\t"
DIGITS = 7
"""Of a number that a line may hold."""
TITLES = set(b"img_id image_id filename img_h img_w image_h image_w num_boxes boxes features objects_id x".split())
"""What a header line calls the columns."""
HEAD = 256
"""Bytes that surely hold the name of a line."""


class TsvRegions(RegionFile):
    """A TSV in any of the three orders."""

    def __init__(self, path: Path, trust_pickle: bool = False) -> None:
        with open(path, "rb") as file:
            first = file.readline()
        self.layout = layout_of(first)
        if not self.layout:
            raise UserError(
                f"{path}, line 1: {len(first.split(TAB))} columns that are no known order of region features"
                f"{_known_trouble(first)}; "
                f"known: {'; '.join(f'{name}: {len(order.split())}' for name, order in LAYOUTS.items())} columns"
            )
        self.kind = f"{self.layout} tsv"
        self.by_id = self.layout == "classic"
        self._columns = LAYOUTS[self.layout].split()
        self._starts, names = line_index(path, len(self._columns))
        super().__init__(path, names, trust_pickle)
        with open(path, "rb") as file:
            file.seek(-1, 2)
            if file.read() != b"\n":  # is the last line whole? then its features are as wide as those of the first
                self.at(0), self.at(len(names) - 1)

    def _where(self, row: int) -> str:
        return f"{self.path}, line {row + 1} (image {self._names[row]})"

    def _read(self, row: int, image_id: int) -> Regions:
        where = self._where(row)
        with open(self.path, "rb") as file:
            file.seek(self._starts[row])
            cells = file.readline().rstrip(b"\r\n").split(TAB)
        if len(cells) != len(self._columns):
            raise UserError(_cut(self.path, row + 1, len(cells), len(self._columns)))
        cell = dict(zip(self._columns, cells, strict=True))
        if cell["name"].decode(errors="replace") != self._names[row]:
            raise UserError(f"{where}: {cell['name'][:40]!r} stands there; delete {self.path.stem}.lineidx")
        width, height, count = (_whole(cell[key], key, where) for key in ("width", "height", "count"))
        return make_regions(
            image_id,
            where,
            _numbers(cell["features"], (count, -1), "features", where),
            _numbers(cell["boxes"], (count, 4), "boxes", where),
            width,
            height,
            _numbers(cell["confidence"], (count,), "objects_conf", where) if "confidence" in cell else None,
        )


def layout_of(line: bytes) -> str:
    """The order of columns of a line: whole numbers stand where only that order has them.  Empty if it is none."""
    cells = line.rstrip(b"\r\n").split(TAB)
    for name, order in LAYOUTS.items():
        columns = order.split()
        numbers = [cell for cell, column in zip(cells, columns, strict=False) if column in ("width", "height", "count")]
        if len(cells) == len(columns) and all(cell.isdigit() for cell in numbers):
            return name
    return ""


def line_index(path: Path, columns: int) -> tuple[Sequence[int], list[str]]:
    """Where each line begins, and the name in its first column."""
    about = path.stat()
    key = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]
    cache = cache_dir() / "regions" / f"{path.stem}-{key}.json"
    stamp = [about.st_size, about.st_mtime_ns]
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # no index yet, or a damaged one
        found = json.loads(cache.read_bytes())
        if found["file"] == stamp:
            return found["starts"], found["names"]
    starts, names = _given_index(path, about.st_size) or _scan(path, columns)
    with contextlib.suppress(OSError):  # it only saves time: a full or read-only home is no reason to stop
        atomic_write(cache, json.dumps({"file": stamp, "starts": starts, "names": names}).encode())
    return starts, names


def _scan(path: Path, columns: int) -> tuple[list[int], list[str]]:
    starts, names, at = [], [], 0
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            found = line.count(TAB) + 1
            if found != columns and line.strip():
                raise UserError(_cut(path, number, found, columns))
            if line.strip():
                starts.append(at)
                names.append(line[: line.index(TAB)].decode(errors="replace"))
            at += len(line)
    return starts, names


def _given_index(path: Path, size: int) -> tuple[list[int], list[str]] | None:
    """ROSITA's own list of offsets, None if there is none or if it is not of this file."""
    with contextlib.suppress(OSError, ValueError), open(path, "rb") as file:
        starts = [int(line) for line in path.with_suffix(".lineidx").read_text().split()]
        if starts[:1] != [0] or starts != sorted(set(starts)) or starts[-1] >= size:
            return None
        names = []
        for start in starts:
            file.seek(max(0, start - 1))
            head = file.read(HEAD + 1)
            before, head = (head[:1], head[1:]) if start else (b"\n", head)
            if before != b"\n" or TAB not in head:
                return None
            names.append(head[: head.index(TAB)].decode(errors="replace"))
        file.seek(starts[-1])
        return (starts, names) if file.readline() and not file.read(1) else None
    return None


def _known_trouble(first: bytes) -> str:
    if not first:
        return ": it is empty"
    header = len(TITLES.intersection(first.split())) > 1
    return ": it has a header line; delete it" if header else ""


def _cut(path: Path, number: int, found: int, columns: int) -> str:
    return f"{path}, line {number}: {found} columns instead of {columns}; is the file whole? fetch it again"


def _whole(cell: bytes, what: str, where: str) -> int:
    if not cell.isdigit() or len(cell) > DIGITS or not int(cell):
        raise UserError(
            f"{where}: {what} is {cell[:30]!r}, not a whole number from 1, of at most {DIGITS} digits; make the file "
            "again"
        )
    return int(cell)


def _numbers(cell: bytes, shape: tuple[int, ...], what: str, where: str) -> np.ndarray:
    try:
        raw = base64.b64decode(cell, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UserError(f"{where}: {what} are not base64 ({error}); is the file whole? fetch it again") from None
    known = 4 * int(np.prod([size for size in shape if size > 0]))
    if not raw or len(raw) % known or (-1 not in shape and len(raw) != known):
        raise UserError(
            f"{where}: {len(raw)} bytes of {what} are not float32 of {shape[0]} boxes (num_boxes); make the file again"
        )
    return np.frombuffer(raw, np.float32).reshape(shape)
