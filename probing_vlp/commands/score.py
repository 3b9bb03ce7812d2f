"""`probe.py score`: scores beside the captions of any dump."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from probing_vlp.commands.partial import check_scored_place
from probing_vlp.commands.scoring import Scoring, check_known, data_of, images_of, unscored, weights_of
from probing_vlp.data.visuals import DataConfig, open_visuals
from probing_vlp.dump import CaptionDump, read_dump, write_dump
from probing_vlp.training.rewards import load_scorers, mini_scorers


@dataclass
class ScoreConfig:
    """Scores beside the captions of a dump."""

    dump: str
    """Dump to read: ours or a COCO results file."""
    scorers: list[str] = field(default_factory=lambda: ["mini-clip"])
    """Scorers, by name or package.module:Class."""
    out: str = ""
    """File to write; default: the dump itself, or NAME.jsonl beside a COCO results file."""
    data: DataConfig = field(default_factory=DataConfig)
    """What of the data is not the captions' own; images that the data do not know are found by name or COCO id."""
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Options of the scorers by name."""


def score(config: ScoreConfig) -> None:
    """Score every caption of a dump and write it with the scores."""
    found: CaptionDump = read_dump(Path(config.dump))
    given = Path(config.dump)
    out = Path(config.out) if config.out else given if found.header else given.with_suffix(".jsonl")
    check_scored_place(out)
    source = open_visuals(data_of(found, config.data))
    images = images_of(found, source)
    row_of = {image.image_id: row for row, image in enumerate(images)}
    scorers = load_scorers(config.scorers, config.options, source.trust_pickle)
    if any(scorer.visual in ("references", "features") for scorer in scorers.values()):
        check_known(config.dump, config.data, images, source)
    scoring = Scoring(scorers, config.options, source, images)
    scored = scoring.add([row_of[r.image_id] for r in found.records], found.records)
    header = {
        "name": found.name,
        **found.header,
        "options": {**found.header.get("options", {}), **config.options},
        "weights": {**found.header.get("weights", {}), **weights_of(config.options)},
        "scorers": sorted({*found.header.get("scorers", ()), *config.scorers}),
        "mini_scorers": sorted({*found.header.get("mini_scorers", ()), *mini_scorers(scorers)}),
    }
    header.pop("count", None)
    write_dump(out, header, scored)
    print(f"{len(scored)} captions scored by {', '.join(config.scorers)}: {out}{unscored(scored, config.scorers)}")
