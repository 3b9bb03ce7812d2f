"""Files of sums: what a survey keeps, and what shards are merged from.

    {"format": "caption-sums", "version": 1, "setup": {...}, "sources": [{"name", "digest", "captions"}, ...],
     "tally": {"captions": n, "moments": {...}, "counters": {...}}}

`setup` says what was measured with what; sums of different setups are not merged, nor the same captions twice.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analysis.context import Context
from analysis.streams.streaming import STREAMED, Setup, tally_rows
from analysis.sums import Tally, merged, tally_from
from probing_vlp.errors import UserError
from probing_vlp.files import atomic_write, read_bytes
from probing_vlp.pages.results import write_rows

FORMAT, VERSION = "caption-sums", 1
REMEDY = "make it with: python -m analysis survey DUMP"


@dataclass(frozen=True)
class Source:
    """A dump that was summed."""

    name: str
    digest: str
    """Of its image ids and captions, in their order."""
    captions: int


@dataclass(frozen=True)
class Sums:
    """The sums of some dumps."""

    setup: Setup
    sources: tuple[Source, ...]
    tally: Tally


@dataclass
class Merge:
    """Options of merging."""

    sums: list[Path] = field(default_factory=list)
    """Files of sums; they may stand first, without the option's name."""
    out: Path = Path("merged")
    """Folder for NAME.sums.json, NAME.csv and NAME.json."""
    name: str = "merged"
    """Label of the whole."""


def run(config: Merge) -> None:
    """Merge files of sums, and write the rows of the whole."""
    whole = merge(config.sums)
    rows = tally_rows(whole.tally, whole.setup, config.name, Context({}, list))
    write_sums(config.out / f"{config.name}.sums.json", whole)
    csv_path, _ = write_rows(config.out, rows, config.name)
    print(f"{whole.tally.captions:,} captions\nnumbers: {csv_path.absolute()}")


def merge(paths: Sequence[Path]) -> Sums:
    """The sums of all captions of these files.  UserError if they were measured differently or share captions."""
    if not paths:
        raise UserError(f"no file of sums given; {REMEDY}")
    found = [read_sums(path) for path in paths]
    known: dict[str, Path] = {}
    for path, sums in zip(paths, found, strict=True):
        if sums.setup != found[0].setup:
            raise UserError(f"{path}: {_difference(sums.setup, found[0].setup)} than in {paths[0]}; survey both alike")
        for source in sums.sources:
            if source.digest in known:
                raise UserError(
                    f"{path}: the captions of {source.name} are in {known[source.digest]} too; give them once"
                )
            known[source.digest] = path
    sources = sorted((source for sums in found for source in sums.sources), key=dataclasses.astuple)
    return Sums(found[0].setup, tuple(sources), merged([sums.tally for sums in found]))


def write_sums(path: Path, sums: Sums) -> None:
    """The same sums give the same bytes."""
    sources = [dataclasses.asdict(source) for source in sums.sources]
    head = {"format": FORMAT, "version": VERSION, "setup": sums.setup, "sources": sources}
    # the order of the setup is the order of the rows, and is kept
    text = json.dumps(head)[:-1] + ', "tally": ' + _tally_text(sums.tally) + "}\n"
    atomic_write(path, text.encode())


def read_sums(path: Path) -> Sums:
    """UserError for a file that holds something else, or what this project no longer measures."""
    data = _read(path)
    if data.get("format") != FORMAT or data.get("version") != VERSION:
        raise UserError(f"{path}: not a file of sums (format {FORMAT}, version {VERSION}); {REMEDY}")
    try:
        sums = Sums(data["setup"], tuple(Source(**each) for each in data["sources"]), tally_from(data["tally"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{path}: damaged file of sums ({error}); {REMEDY}") from None
    if strange := sorted(set(sums.setup) - set(STREAMED)):
        raise UserError(f"{path}: there is no streaming analysis '{strange[0]}' here; {REMEDY}")
    return sums


def write_tally(path: Path, tally: Tally) -> None:
    """One chunk's sums."""
    atomic_write(path, _tally_text(tally).encode())


def read_tally(path: Path) -> Tally:
    """UserError for a damaged file."""
    try:
        return tally_from(_read(path))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{path}: damaged ({error}); delete it and run the survey again with --resume") from None


def _tally_text(tally: Tally) -> str:
    return json.dumps(tally.to_json(), sort_keys=True)


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(read_bytes(path, "file of sums", REMEDY))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise UserError(f"{path}: not a file of sums ({error}); {REMEDY}") from None
    if not isinstance(data, dict):
        raise UserError(f"{path}: not a file of sums; {REMEDY}")
    return data


def _difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """What two setups differ in, in a few words."""
    for name in sorted(one.keys() | other.keys()):
        if one.get(name) != other.get(name):
            facts, others = (each.get(name, {}).get("facts", {}) for each in (one, other))
            changed = next((key for key in facts if facts[key] != others.get(key)), "")
            return f"{name} was measured with another {changed}" if changed else f"{name} was measured otherwise"
    return "measured otherwise"
