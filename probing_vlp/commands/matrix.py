"""`probe.py matrix`: every captioner of `probe.py story` under every scorer, Ma et al. 2023 Table 2.

Scores are written into the dumps; those that are there already are not computed again.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from probing_vlp.commands.chapters import Chapter, tell
from probing_vlp.commands.story import ZOO
from probing_vlp.dump import CaptionDump, read_dump
from probing_vlp.errors import UserError


@dataclass
class MatrixConfig:
    """The cross-scorer matrix of stories that were told."""

    out: str = "runs"
    """Where the stories lie: OUT/ce and OUT/SCORER."""
    scorers: list[str] = field(default_factory=lambda: list(ZOO))
    """Scorers, each with a story of its own."""
    images: str = ""
    """Folder of the photographs, for the report."""


def run(config: MatrixConfig) -> None:
    """Score what is not scored, then report."""
    dumps = [read_dump(find(config, name)) for name in ("ce", *config.scorers)]
    tell(chapters(config, dumps))
    print(f"\nThe matrix: {Path(config.out, 'matrix', 'index.html').absolute()}")


def find(config: MatrixConfig, name: str) -> Path:
    """The dump of a story; UserError that says how to make it."""
    path = Path(config.out, name, "dumps", "test.jsonl")
    if not path.is_file():
        story = config.scorers[0] if name == "ce" else name
        raise UserError(
            f"{path}: no such dump; make it with: python probe.py story --scorer {story} --out {config.out}"
        )
    return path


def chapters(config: MatrixConfig, dumps: Sequence[CaptionDump]) -> list[Chapter]:
    """A scoring for each dump that lacks a score, and the report on all of them."""
    options: dict[str, Any] = {}
    for dump in dumps[1:]:
        options |= {name: given for name, given in dump.header.get("options", {}).items() if name in config.scorers}
    asked = ["--scorers", json.dumps(config.scorers), "--options", json.dumps(options)]
    scoring: list[Chapter] = [
        (f"score {dump.name}", ["probe.py", "score", "--dump", str(dump.path), *asked, *data_words(dump.header)])
        for dump in dumps
        if any(not set(config.scorers) <= set(record.scores) for record in dump.records)
    ]
    paths = [str(dump.path) for dump in dumps]
    out, shown = f"{config.out}/matrix", ["--images", config.images] if config.images else []
    asked_of = (Path(config.out, name, "verification", "verification.jsonl") for name in config.scorers)
    if verified := [str(path) for path in asked_of if path.is_file()]:
        shown += ["--verification", json.dumps(verified)]
    return [
        *scoring,
        ("every captioner under every scorer", ["-m", "analysis", "matrix", *paths, "--out", out]),
        ("all captioners side by side", ["-m", "analysis", "report", *paths, "--out", out, *shown]),
    ]


def data_words(header: Mapping[str, Any]) -> list[str]:
    """The data that a captioner was trained on, as options."""
    data: Mapping[str, Any] = header.get("config", {}).get("data", {})
    return [word for key in ("source", "features", "images") if data.get(key) for word in (f"--data.{key}", data[key])]
