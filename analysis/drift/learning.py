"""Thresholds of drift learned from CE dumps of several seeds: `python -m analysis thresholds CE1 CE2 CE3 --out FILE`.

For each key of `thresholds.DIRECTIONS` the file holds the mean and the standard deviation (divisor K - 1) over the
dumps, the mean sampling error of one of them, its number of images, and the K values themselves.  What has a value in
comparison only (prefix, connective) is measured on every ordered pair of dumps, one as the first dump of the other.
The dumps must describe the same images and come from different runs.  A key that a dump has no value for is left out.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np

from analysis.context import Context, load_context
from analysis.drift.drift import human_dump, value_rows
from analysis.drift.favourite_rows import favourite_rows
from analysis.drift.thresholds import DIRECTIONS, FORMAT, SIGMAS, VERSION, floored_error, origin
from analysis.inputs import data_of, read_dumps
from probing_vlp.dump import CaptionDump
from probing_vlp.errors import UserError
from probing_vlp.files import atomic_write
from probing_vlp.pages.results import Row

PAIRED = ("prefix", "connective")


@dataclass
class Thresholds:
    """Options of learning thresholds."""

    dumps: list[Path] = field(default_factory=list)
    """Dumps of one split by CE captioners of different seeds, two or better three; they may stand first, without the
    option's name."""
    data: str = ""
    """Where the human captions come from; default: where the first dump says that it comes from."""
    out: Path = Path("thresholds.json")
    """File to write; give it to the analyses with --thresholds."""
    seed: int = 1
    """Seed of the bootstrap intervals."""
    draws: int = 1000
    """Bootstrap draws behind each sampling error."""


def run(config: Thresholds) -> None:
    """Measure, then write.  Raises UserError before anything is written."""
    dumps = read_dumps(config.dumps)
    check_seeds(dumps)
    context = load_context(config.data or data_of(dumps), "data", config.seed, config.draws)
    record = learn(dumps, context)
    atomic_write(config.out, (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode())
    for key, band in record["bands"].items():
        print(f"{key:<18} mean {band['mean']:.4g}  sd {band['sd']:.3g}  sampling error {band['error']:.3g}")
    print(f"thresholds: {config.out.absolute()}")


def check_seeds(dumps: Sequence[CaptionDump]) -> None:
    """Raise UserError unless these are two dumps or more of the same images, none the same captions as another."""
    if len(dumps) < 2:
        raise UserError("a threshold needs CE dumps of two seeds at least, better three; train another seed")
    first = dumps[0]
    for place, dump in enumerate(dumps):
        if {record.image_id for record in dump.records} != {record.image_id for record in first.records}:
            raise UserError(f"{dump.path} and {first.path} describe different images; give CE dumps of one split")
        for other in dumps[:place]:
            if [record.caption for record in dump.records] == [record.caption for record in other.records]:
                raise UserError(f"{dump.path} and {other.path} hold the same captions; give dumps of different seeds")


def learn(dumps: Sequence[CaptionDump], context: Context) -> dict[str, Any]:
    """The record of a file of thresholds, as JSON takes it."""
    tables = [{_key(row): row for row in value_rows(dump, context)} for dump in dumps]
    human = human_dump(dumps[0], context)
    pairs = [
        {_key(row): row for row in favourite_rows(dump, first, human, context)}
        for first, dump in permutations(dumps, 2)
    ]
    found = {key: _values(key, pairs if key in PAIRED else tables) for key in DIRECTIONS}
    data, split, decoding = origin(dumps[0].header)
    return {
        "format": FORMAT,
        "version": VERSION,
        "rule": f"mean -+ {SIGMAS:g} * sqrt((1 + 1/dumps) * sd^2 + error^2 * n / images of the judged dump)",
        "data": data,
        "split": split,
        "decoding": decoding,
        "made_from": [_made_from(dump) for dump in dumps],
        "bands": {key: _band(rows) for key, rows in found.items() if rows},
    }


def _key(row: Row) -> str:
    return row.name.removeprefix("drift:")


def _values(key: str, tables: Sequence[Mapping[str, Row]]) -> list[Row]:
    """The rows of a key, none unless every table has a value."""
    rows = [table[key] for table in tables if key in table and table[key].value is not None]
    return rows if len(rows) == len(tables) else []


def _band(rows: Sequence[Row]) -> dict[str, Any]:
    values = [row.value for row in rows if row.value is not None]
    return {
        "mean": float(np.mean(values)),
        "sd": float(np.std(values, ddof=1)),
        "error": float(np.mean([floored_error(row) for row in rows])),
        "n": rows[0].n,
        "values": values,
    }


def _made_from(dump: CaptionDump) -> dict[str, Any]:
    config = dump.header.get("config")
    seed = config.get("seed") if isinstance(config, Mapping) else dump.header.get("seed")
    return {"seed": seed, "checkpoint_sha256": dump.header.get("checkpoint_sha256"), "captions": len(dump.records)}
