"""The metrics of any results file of yes/no answers, as a table and as files.

    probe.py taxonomy metrics items.csv.gz --by test map lm --out metrics

metrics.csv   a line a metric of a group: value, clustered interval, the paper's interval, n (aggregates.py)
concepts.csv  a line a concept in a run: n, n_pos, accuracy, macro- and weighted-F1 with intervals, chance lines, counts
metrics.json  both

A value that could not be had is an empty field, null in JSON.
"""

import io
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probing_vlp.errors import UserError, check_least
from probing_vlp.files import write_together

if TYPE_CHECKING:
    import pandas as pd

    from probing_vlp.taxonomy.answers.aggregates import Aggregate

SHOWN = ("accuracy", "macro_f1", "weighted_f1", "chance_macro_f1", "blind_macro_f1")
"""Metrics that are printed; the files have all."""
MOST_CONCEPTS = 100
"""Concepts of a single run that are printed; the files have all."""


@dataclass
class MetricsConfig:
    """Options of `probe.py taxonomy metrics`."""

    file: Path = Path("items.csv.gz")
    """Results file: CSV, gzip or plain, with the columns concept, gold and prediction; others may be there."""
    by: list[str] = field(default_factory=list)
    """Columns to measure apart, or none; default: those of encoder, lm, map, condition, test that vary, or else run."""
    positive: str = ""
    """The label that means that the concept is there; default: the one spelled Yes, True, 1 or so."""
    columns: dict[str, str] = field(default_factory=dict)
    """Our names of columns to the file's: '{concept: hypernym_id, gold: answer}'."""
    out: Path | None = None
    """Folder for metrics.csv, concepts.csv and metrics.json."""
    seed: int = 1
    """Seed of the bootstrap."""


def run(config: MetricsConfig) -> None:
    """Read, count once, print, write."""
    check_least(config, 0, "seed")
    from probing_vlp.taxonomy.answers import aggregates, metrics, outcomes
    from probing_vlp.taxonomy.answers.items import read_items

    frame = read_items(config.file, config.columns)
    by = [name for name in dict.fromkeys(config.by or outcomes.default_by(frame)) if name != "none"]
    outcomes.check_columns(frame, by, f"{config.file}: --by")
    if taken := [name for name in by if name in ("concept", "gold", "prediction", "logp_yes", "logp_no")]:
        raise UserError(
            f"--by {taken[0]}: concepts are always told apart, and answers are what is counted; leave it out"
        )
    counts = outcomes.count_units(frame, by)
    positive = metrics.positive_labels(counts.labels, config.positive)
    table = outcomes.concept_table(counts, positive)
    rows = aggregates.aggregate(counts, by, positive, config.seed)
    _show(by, rows, table, counts.labels, positive)
    if config.out is not None:
        _write(config.out, as_tables(by, rows, table))
        print(f"metrics.csv, concepts.csv, metrics.json: {config.out.absolute()}")


def _show(
    by: list[str], rows: "list[Aggregate]", table: "pd.DataFrame", labels: tuple[str, ...], positive: list[str]
) -> None:
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    from probing_vlp.taxonomy.answers.metrics import alike

    console = Console()
    if not console.is_terminal:
        console = Console(width=140)
    shown = Table(title="95 % intervals: bootstrap over concepts", title_justify="left", box=SIMPLE)
    shown.add_column(", ".join(by) or "all items", no_wrap=True)
    for name in ("items", "concepts", *SHOWN):
        shown.add_column(name.replace("_", " "), overflow="fold", justify="right")
    for group in dict.fromkeys(row.group for row in rows):
        found = {row.metric: row for row in rows if row.group == group}
        sizes = (f"{found['accuracy'].n:,}", str(found["accuracy"].concepts))
        values = [f"{found[name].value:.4f}{_span(found[name]) if name == 'macro_f1' else ''}" for name in SHOWN]
        shown.add_row(", ".join(group), *sizes, *values)
    console.print(shown)
    if len(table) == table["concept"].nunique() <= MOST_CONCEPTS:
        console.print(_concepts(table))
    for told in _notes(table, labels, positive, alike(labels)):
        console.print(told, soft_wrap=True)


def _concepts(table: "pd.DataFrame") -> Any:
    from rich.box import SIMPLE
    from rich.table import Table

    shown = Table(title="concept by concept", title_justify="left", box=SIMPLE)
    names = ("n", "n_pos", "accuracy", "macro_f1", "weighted_f1", "chance_macro_f1", "chance_weighted_f1")
    for name in ("concept", *names):
        shown.add_column(name.replace("_", " "), overflow="fold", justify="left" if name == "concept" else "right")
    for line in table.to_dict("records"):
        counts = [f"{line[name]:,.0f}" if line[name] == line[name] else "" for name in names[:2]]
        shown.add_row(str(line["concept"]), *counts, *(f"{line[name]:.4f}" for name in names[2:]))
    return shown


def _notes(table: "pd.DataFrame", labels: tuple[str, ...], positive: list[str], same: list[str]) -> list[str]:
    notes = []
    if table["single_class"].any():
        names = sorted(set(table.loc[table["single_class"], "concept"]))
        notes.append(
            f"{len(names)} concept{'s have' if len(names) > 1 else ' has'} a single gold label, and so a chance of 1 "
            f"({', '.join(names[:8])}{' ...' if len(names) > 8 else ''}); metrics named two-class leave them out."
        )
    if same:
        notes.append(f"Labels {', '.join(map(repr, same))} differ in spelling alone and count as different answers.")
    if not positive:
        notes.append(
            f"No label of {', '.join(map(repr, labels))} is known to mean yes: n_pos is empty; see --positive."
        )
    return notes


def _span(row: "Aggregate") -> str:
    return "" if math.isnan(row.low) else f"\n{row.low:.3f} to {row.high:.3f}"


def as_tables(by: list[str], rows: "list[Aggregate]", table: "pd.DataFrame") -> "dict[str, pd.DataFrame]":
    """The two tables that are written: aggregates, concepts."""
    import pandas as pd

    fields = ("metric", "value", "low", "high", "paper_low", "paper_high", "n", "unit", "concepts")
    records = [dict(zip(by, row.group, strict=True)) | {name: getattr(row, name) for name in fields} for row in rows]
    return {"metrics": pd.DataFrame(records, columns=[*by, *fields]), "concepts": table}


def as_csv(table: "pd.DataFrame") -> bytes:
    """A table as CSV; NaN is an empty field."""
    text = io.StringIO()
    table.to_csv(text, index=False, lineterminator="\n")
    return text.getvalue().encode()


def _write(folder: Path, tables: "dict[str, pd.DataFrame]") -> None:
    files = {folder / f"{name}.csv": as_csv(table) for name, table in tables.items()}
    parts = (f'"{name}": {table.to_json(orient="records", double_precision=15)}' for name, table in tables.items())
    write_together(files | {folder / "metrics.json": f"{{{','.join(parts)}}}\n".encode()})
