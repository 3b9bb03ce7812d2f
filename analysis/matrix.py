"""Every captioner under every scorer, papers/002 Table 2, left half.

    python -m analysis matrix runs/*/dumps/test.jsonl --out matrix

Dumps down, scorers across.  A captioner's own reward is marked: these cells are the paper's diagonal.  An arrow shows a
mean that differs from the first dump's (the CE model's) over the same images, by an interval without zero; the paper's
arrow is any rise of the mean, so here it says more.  Raw scores: the paper prints probabilities times 100.
"""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table as TextTable

from analysis.results import Row
from analysis.tables import Cell, Line, Table
from analysis.wording import interval, number

UP, DOWN = "↑", "↓"


def matrix_table(rows: Sequence[Row], models: Sequence[str], rewards: Mapping[str, Sequence[str]]) -> Table | None:
    """The matrix from the rows of `scores.score_rows`; None where one scorer or one dump is all there is.

    `rewards`: the scorers that each dump's captions were trained to please.
    """
    found = {(row.name, row.model): row for row in rows}
    scored = dict.fromkeys(row.name.removeprefix("score:") for row in rows if row.name.startswith("score:"))
    own = dict.fromkeys(scorer for model in models for scorer in rewards.get(model, ()) if scorer in scored)
    scorers = list(own | scored)  # in the order of the captioners, so that their own rewards make a diagonal
    if len(scorers) < 2 or len(models) < 2:
        return None
    lines = tuple(
        Line(model, tuple(_cell(found, model, scorer, scorer in rewards.get(model, ())) for scorer in scorers))
        for model in models
    )
    counts = {row.n for row in rows if row.name.startswith("score:") and row.value is not None}
    n = f"n = {min(counts):,}{f' to {max(counts):,}' if len(counts) > 1 else ''} images" if counts else ""
    caption = f"Every captioner under every scorer; {UP}{DOWN}: differs from {models[0]}"
    return Table("matrix", caption, tuple(scorers), lines, n)


def _cell(found: Mapping[tuple[str, str], Row], model: str, scorer: str, own: bool) -> Cell:
    row = found.get((f"score:{scorer}", model))
    if row is None or row.value is None:
        return Cell(note="" if row is None else row.note.removeprefix("unavailable: "), own=own)
    change = found.get((f"score_difference:{scorer}", model))
    span = interval(row.ci_low, row.ci_high) if row.ci_low is not None and row.ci_high is not None else ""
    return Cell(f"{number(row.value)} {arrow(change)}".strip(), span, own=own)


def arrow(change: Row | None) -> str:
    """The sign of a difference whose interval excludes zero; empty if it does not."""
    if change is None or change.ci_low is None or change.ci_high is None:
        return ""
    return UP if change.ci_low > 0 else DOWN if change.ci_high < 0 else ""


def print_table(table: Table) -> None:
    """The table for a terminal; a captioner's own reward stands in brackets."""
    text = TextTable("", *table.columns, title=f"{table.caption} ({table.n}); [own reward]", title_justify="left")
    for line in table.lines:
        text.add_row(line.title, *(rf"\[{cell.text}]" if cell.own else cell.text for cell in line.cells))
    Console().print(text)
