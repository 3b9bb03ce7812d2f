"""The file of a verification: every constructed caption with the raw scores before and after; no torch here.

JSONL in UTF-8.  Line 1 is a header, then one line for each experiment, base and image:

    {"format": "verification", "version": 1, "dump": "CE", "scorers": ["mini-clip"], "examples": [73, 74, 133], ...}
    {"experiment": "shuffled", "base": "human", "image_id": 73, "original": "a dog on a bed",
     "constructed": "bed a on dog a", "before": {"mini-clip": 0.31}, "after": {"mini-clip": 0.30}}

`base` says which caption was changed: "dump", the dump's, or "human", the first human caption.  null is a caption that
the scorer could not score.  `count` in the header is the number of lines that follow: a file that was cut is refused.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from probing_vlp.errors import UserError
from probing_vlp.files import atomic_write, read_bytes

FORMAT, VERSION = "verification", 1
BASES = ("dump", "human")
REMEDY = "make it with: python probe.py verify --dump DUMP --scorer NAME"


@dataclass(frozen=True, slots=True)
class Pair:
    """A caption before and after a change, with the raw scores of each scorer."""

    experiment: str
    base: str
    image_id: int
    original: str
    constructed: str
    before: Mapping[str, float | None]
    after: Mapping[str, float | None]


@dataclass(frozen=True)
class Verification:
    """A header and its pairs."""

    header: Mapping[str, Any]
    pairs: tuple[Pair, ...]
    path: Path | None = None

    @property
    def scorers(self) -> list[str]:
        """The scorers that were asked."""
        return list(self.header["scorers"])

    def groups(self) -> dict[tuple[str, str], list[Pair]]:
        """The pairs by (base, experiment), in the order of the file."""
        found: dict[tuple[str, str], list[Pair]] = {}
        for pair in self.pairs:
            found.setdefault((pair.base, pair.experiment), []).append(pair)
        return found


def write_verification(path: Path, header: Mapping[str, Any], pairs: Sequence[Pair]) -> None:
    """Write aside, flush, rename: `path` is either whole or untouched."""
    head = {"format": FORMAT, "version": VERSION, **header, "count": len(pairs)}
    lines = [json.dumps(line, ensure_ascii=False, allow_nan=False) for line in (head, *map(asdict, pairs))]
    atomic_write(path, ("\n".join(lines) + "\n").encode())


def read_verification(path: Path) -> Verification:
    """Read the file of a verification.  Raises UserError naming the line for a cut or foreign file."""
    try:
        lines = read_bytes(path, "verification file", REMEDY).decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not a verification file ({error}); {REMEDY}") from None
    header = _parse(path, 1, lines[0])
    if (header.get("format"), header.get("version")) != (FORMAT, VERSION):
        raise UserError(f'{path}, line 1: no "format": "{FORMAT}" of version {VERSION}; {REMEDY}')
    if not all(_texts(header.get(key)) for key in ("scorers", "experiments", "bases")):
        raise UserError(f"{path}, line 1: scorers, experiments and bases must be lists of names; {REMEDY}")
    body = [line for line in lines[1:] if line]
    if len(body) != header.get("count"):
        raise UserError(f"{path}: the file ends after {len(body)} of {header.get('count')} pairs; {REMEDY}")
    return Verification(header, tuple(_pair(path, i, line) for i, line in enumerate(body, 2)), path)


def _pair(path: Path, number: int, line: str) -> Pair:
    row = _parse(path, number, line)
    kinds: dict[str, type] = {"image_id": int, "before": dict, "after": dict}
    wanted = {field.name: kinds.get(field.name, str) for field in fields(Pair)}
    if row.keys() != wanted.keys() or not all(isinstance(row[key], kind) for key, kind in wanted.items()):
        raise UserError(f"{path}, line {number}: not a pair of {', '.join(wanted)}; {REMEDY}")
    if not all(type(score) in (int, float, type(None)) for key in ("before", "after") for score in row[key].values()):
        raise UserError(f"{path}, line {number}: a score must be a number or null; {REMEDY}")
    return Pair(**row)


def _parse(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        raise UserError(f"{path}, line {number}: not JSON that can be read ({error}); {REMEDY}") from None
    if not isinstance(row, dict):
        raise UserError(f"{path}, line {number}: expected a JSON object, found {type(row).__name__}; {REMEDY}")
    return row


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
