"""`probe.py calibrate`: does the analysis name flaws that are known?  Each chapter is a command that a user would type.

A CE captioner is trained on towards five scorers with one planted flaw each (`scorers/planted.py`), and towards the
sound one that they are made of, with several seeds.  Each time the captions are compared with the CE captioner's, the
scorer is tried with doses of what they took to, and the habits are named; the last chapter prints what was named for
each scorer, and fails if a flaw was missed or another habit was named.  Run again after an interruption, it goes on
where it was.
"""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

from probing_vlp.commands.chapters import Chapter, tell
from probing_vlp.errors import UserError
from probing_vlp.experiments.doses import CONTRASTS

PLANTED = ("planted-nouns", "planted-prefix", "planted-length", "planted-order", "planted-connective")
SOUND = "cider"
"""The control: no habit should be named."""
DOSES = ["shuffled", "other-caption", *dict.fromkeys(each for signs in CONTRASTS.values() for each in signs)]
"""The experiments that habits are named by."""


@dataclass
class CalibrateConfig:
    """The calibration."""

    out: str = "runs/calibrate"
    """Folder for all that is made: OUT/ce, OUT/seedS/SCORER and the table in OUT/results."""
    scorers: list[str] = field(default_factory=lambda: [*PLANTED, SOUND])
    """Scorers with a planted flaw, and the one without."""
    seeds: list[int] = field(default_factory=lambda: [1, 2])
    """Seeds of the training towards each of them."""
    init: str = ""
    """Run folder of a CE captioner to start from; by itself one is trained."""
    ce: str = "configs/demo-ce.yaml"
    """How the captioner is trained by cross-entropy."""
    scst: str = "configs/calibrate-scst.yaml"
    """How it is trained towards a score."""


def run(config: CalibrateConfig) -> None:
    """Train, analyse, count; exit code 1 if a flaw was missed or a habit named that was not planted."""
    for name in config.scorers:
        if name not in (*PLANTED, SOUND):
            raise UserError(
                f"--scorers {name}: has no planted flaw; there are {', '.join(PLANTED)}, and {SOUND} without"
            )
    if not config.scorers or not config.seeds:
        raise UserError("nothing to calibrate: name a planted scorer and a seed")
    out, init = (str(Path(path).resolve()) if path else "" for path in (config.out, config.init))
    config = replace(config, out=out, init=init)  # chapters run in the project's folder, wherever this was called
    tell(beginning(config))
    for seed in config.seeds:
        for name in config.scorers:
            tell(training(config, name, seed))
            tell(naming(config, name, seed))
    tell(counting(config))


def beginning(config: CalibrateConfig) -> list[Chapter]:
    """The captioner that all start from, and what it says."""
    words = ["--config", config.ce, "--run", ce_run(config), "--resume"]
    train = [] if config.init else [("train a captioner by cross-entropy", ["train.py", "ce", *words])]
    out = ["--out", ce_dump(config), "--name", "CE", "--resume"]
    return [*train, ("describe the test photographs", ["probe.py", "dump", "--run", ce_run(config), *out])]


def training(config: CalibrateConfig, name: str, seed: int) -> list[Chapter]:
    """Training towards a planted flaw, and what changed in the captions."""
    run, dump, about = (
        place(config, name, seed),
        f"{place(config, name, seed)}/dumps/test.jsonl",
        f"{name}, seed {seed}",
    )
    towards = ["--scorers", json.dumps({name: 1.0}), "--seed", str(seed)]
    start = ["--config", config.scst, "--run", run, "--init", ce_run(config)]
    compared = ["drift", ce_dump(config), dump, "--out", str(results(config, name, seed))]
    return [
        (f"{about}: train towards its score", ["train.py", "scst", *start, *towards, "--resume"]),
        (f"{about}: describe the test photographs", ["probe.py", "dump", "--run", run, "--name", name, "--resume"]),
        (f"{about}: what changed", ["-m", "analysis", *compared]),
    ]


def naming(config: CalibrateConfig, name: str, seed: int) -> list[Chapter]:
    """Doses of what the captions took to, added to the CE captions, and the habits that are named."""
    about, out = f"{name}, seed {seed}", str(results(config, name, seed))
    doses = ["--experiments", json.dumps(DOSES), "--base", "dump", "--drift", f"{out}/drift.json"]
    asked = ["--dump", ce_dump(config), "--scorers", json.dumps([name]), "--out", out, "--resume"]
    return [
        (f"{about}: what the scorer pays for", ["probe.py", "verify", *asked, *doses]),
        (
            f"{about}: name its habits",
            ["-m", "analysis", "habits", f"{out}/drift.json", f"{out}/verification.jsonl", "--out", out],
        ),
    ]


def counting(config: CalibrateConfig) -> list[Chapter]:
    """The table of all of them."""
    verdicts = [str(results(config, name, seed) / "habits.json") for seed in config.seeds for name in config.scorers]
    table = ["confusion", *verdicts, "--out", f"{config.out}/results"]
    return [("planted flaws, and the habits that were named", ["-m", "analysis", *table])]


def place(config: CalibrateConfig, name: str, seed: int) -> str:
    """The run folder of a planted scorer and seed."""
    return f"{config.out}/seed{seed}/{name}"


def results(config: CalibrateConfig, name: str, seed: int) -> Path:
    """The folder of its rows."""
    return Path(place(config, name, seed), "results")


def ce_run(config: CalibrateConfig) -> str:
    """The run folder of the CE captioner."""
    return config.init or f"{config.out}/ce"


def ce_dump(config: CalibrateConfig) -> str:
    """What it says of the test photographs."""
    return f"{config.out}/ce/dumps/test.jsonl"
