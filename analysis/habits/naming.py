"""`python -m analysis habits`: the habits of captions from result files; `confusion`: those of a calibration, counted.

    python -m analysis habits drift.json verification.jsonl --out DIR

A calibration (`probe.py calibrate`) trains captioners on scorers that have one flaw each.  Its table says for each
planted flaw which habits were named: row "calibration:PLANTED:NAMED", model "seed S", 1 or 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Column, Table

from analysis.context import Context
from analysis.habits.verdicts import HABITS, habit_rows
from analysis.verification.rows import verification_rows
from probing_vlp.errors import UserError
from probing_vlp.experiments.pairs import read_verification
from probing_vlp.pages.results import Row, read_rows, write_rows

SOURCE = __name__
PLANTED = {
    "planted-nouns": "noun_piling",
    "planted-prefix": "prefix",
    "planted-length": "length",
    "planted-order": "order_blind",
    "planted-connective": "connective",
    "cider": "",
}
"""The habit that each planted flaw should be named as; the scorer without a flaw has none."""


@dataclass
class HabitsConfig:
    """Options of the verdicts on habits."""

    files: list[Path] = field(default_factory=list)
    """Results of `python -m analysis drift` and `verification` (.json, .csv), or files of `probe.py verify` (.jsonl);
    they may stand first, without the option's name.  Without doses on a scorer, habits can only be suspected."""
    scorer: str = ""
    """The scorer that the captions were to please; default: the first one that was verified."""
    out: Path = Path("results")
    """Folder for habits.csv and habits.json."""
    seed: int = 1
    """Seed of the bootstrap intervals."""
    draws: int = 1000
    """Bootstrap draws behind each interval."""


@dataclass
class ConfusionConfig:
    """Options of a calibration's table."""

    files: list[Path] = field(default_factory=list)
    """Verdicts, one file for each seed and scorer: SEED/SCORER/results/habits.json; they may stand first."""
    out: Path = Path("results")
    """Folder for calibration.csv and calibration.json."""


def run_habits(config: HabitsConfig) -> None:
    """Verdicts on every dump that was compared with another one."""
    if not config.files:
        raise UserError("name result files of python -m analysis drift, and of verification")
    context = Context({}, list, seed=config.seed, draws=config.draws)
    rows = [row for path in config.files for row in _read(path, context)]
    models = list(dict.fromkeys(row.model for row in rows if row.name.startswith("drift_change:")))
    if not models:
        raise UserError(f"{config.files[0]}: compares no dump with another; measure the CE dump first, then the others")
    scorers = list(dict.fromkeys(row.model for row in rows if row.name.startswith("verify:")))
    if config.scorer and config.scorer not in scorers:
        raise UserError(
            f"--scorer {config.scorer}: is not verified in these files; there are {', '.join(scorers) or 'none'}"
        )
    scorer = config.scorer or next(iter(scorers), "the scorer")
    verdicts = [row for model in models for row in habit_rows(rows, model, scorer)]
    csv_path, _ = write_rows(config.out, verdicts, "habits")
    for row in verdicts:
        print(
            row.model,
            row.name,
            {1.0: "yes", 0.0: "no"}.get(-1.0 if row.value is None else row.value, "-"),
            row.note,
            sep="  ",
        )
    print(f"numbers: {csv_path.absolute()}")


def run_confusion(config: ConfusionConfig) -> None:
    """Print and write the table; exit code 1 if a flaw was missed or a habit named that was not planted."""
    if not config.files:
        raise UserError("name the habits.json files of a calibration")
    rows = [row for path in config.files for row in confusion_rows(path)]
    csv_path, _ = write_rows(config.out, rows, "calibration")
    Console().print(confusion_table(rows))
    wrong = faults(rows)
    print(*wrong, f"numbers: {csv_path.absolute()}", sep="\n")
    if wrong:
        raise SystemExit(1)


def confusion_rows(path: Path) -> list[Row]:
    """What was named for one planted scorer and seed, by the path of its verdicts."""
    seed, planted = path.absolute().parts[-4:-2] if len(path.absolute().parts) > 4 else ("", "")
    if planted not in PLANTED:
        raise UserError(f"{path}: must lie in SCORER/results, with a SCORER of {', '.join(PLANTED)}")
    found = {row.name: row for row in read_rows(path)}
    missing = next((name for name in HABITS if f"habit:{name}" not in found), None)
    if missing:
        raise UserError(f"{path}: has no verdict on {missing}; make it with: python -m analysis habits")
    return [
        Row(
            f"calibration:{planted}:{name}", seed, (verdict := found[f"habit:{name}"]).value, None, None, 1,
            "1 named, 0 not", SOURCE, verdict.note,
        )
        for name in HABITS
    ]  # fmt: skip


def confusion_table(rows: Sequence[Row]) -> Table:
    """Planted flaws down, named habits across; a cell counts the seeds that named it, of all seeds."""
    cells = _cells(rows)
    names = (name.replace("_", " ") for name in HABITS)
    table = Table(Column("planted", no_wrap=True), *names, title="named, of seeds", box=box.SIMPLE)
    for planted in dict.fromkeys(planted for planted, _ in cells):
        counts = [cells[planted, name] for name in HABITS]
        table.add_row(planted, *(f"{sum(map(bool, values))} of {len(values)}" for values in counts))
    return table


def faults(rows: Sequence[Row]) -> list[str]:
    """A line for each flaw that was not named and each name that was not planted."""
    said = []
    for row in rows:
        _, planted, name = row.name.split(":")
        if (PLANTED[planted] == name) != bool(row.value):
            said.append(
                f"{row.model}, {planted}: {name} was {'missed' if PLANTED[planted] == name else 'named'}: {row.note}"
            )
    return said


def _cells(rows: Sequence[Row]) -> Mapping[tuple[str, str], list[float | None]]:
    cells: dict[tuple[str, str], list[float | None]] = {}
    for row in rows:
        _, planted, name = row.name.split(":")
        cells.setdefault((planted, name), []).append(row.value)
    return cells


def _read(path: Path, context: Context) -> list[Row]:
    return verification_rows(read_verification(path), context) if path.suffix == ".jsonl" else read_rows(path)
