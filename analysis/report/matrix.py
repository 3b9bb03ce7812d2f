"""Every captioner under every scorer, and what caption metrics say of it: Ma et al. 2023 Table 2.

    python -m analysis matrix runs/*/dumps/test.jsonl --out matrix

Dumps down, scorers across.  A captioner's own reward is marked: these cells are the paper's diagonal.  An arrow shows a
mean that differs from the first dump's (the CE model's) over the same images, by an interval without zero; the paper's
arrow is any rise of the mean, so here it says more.  Raw scores: the paper prints probabilities times 100.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from rich.console import Console
from rich.table import Table as TextTable

from analysis.report.paper import METRICS, published
from probing_vlp.pages.results import Row
from probing_vlp.pages.tables import Cell, Found, Line, Table, by_name, cell
from probing_vlp.pages.wording import number

UP, DOWN = "↑", "↓"
Rewards = Mapping[str, Sequence[str]]
"""The scorers that each dump's captions were trained to please."""


def matrix_table(rows: Sequence[Row], models: Sequence[str], rewards: Rewards) -> Table | None:
    """The left half of Table 2 from the rows of `scores.score_rows`; None where one scorer or dump is all there is."""
    scorers = scorers_of(rows, models, rewards)
    if len(scorers) < 2 or len(models) < 2:
        return None
    found = by_name(rows)
    lines = tuple(Line(model, _scores(found, model, scorers, rewards)) for model in models)
    caption = f"Every captioner under every scorer; {UP}{DOWN}: differs from {models[0]}"
    return Table("matrix", caption, tuple(scorers), lines, _n(rows))


def full_table(rows: Sequence[Row], models: Sequence[str], rewards: Rewards, papers: Mapping[str, str]) -> Table | None:
    """Both halves of Table 2; None without any row of either.

    `papers`: the paper's name of a dump's captioner, for those whose published numbers are to stand beside ours.
    """
    found = by_name(rows)
    scorers = scorers_of(rows, models, rewards)
    metrics = [name for name in METRICS if any((name, model) in found for model in models)]
    lines = []
    for model in models:
        scores = _scores(found, model, scorers, rewards)
        told = [_metric(found.get((name, model))) for name in metrics]
        names = [*(f"score:{scorer}" for scorer in scorers), *metrics]
        cells = (_beside(made, papers.get(model, ""), name) for made, name in zip([*scores, *told], names, strict=True))
        lines.append(Line(model, tuple(cells)))
    caption = "Matching scores and caption metrics" if metrics else "Matching scores"
    if len(models) > 1 and scorers:
        caption += f"; {UP}{DOWN}: the score differs from {models[0]}'s"
    halves = (("Matching score by", len(scorers)), ("Caption metrics", len(metrics)))
    table = Table("table-2", caption, (*scorers, *metrics), tuple(lines), _n(rows), tuple(h for h in halves if h[1]))
    return table if table.columns else None


def why_missing(rows: Sequence[Row]) -> list[str]:
    """Why metrics could not be had, each reason with the metrics that it keeps away."""
    reasons: dict[str, list[str]] = {}
    for row in rows:
        if row.name in METRICS and row.value is None and row.name not in reasons.setdefault(row.note, []):
            reasons[row.note].append(row.name)
    return [f"{', '.join(names)} {why}" for why, names in reasons.items()]


def scorers_of(rows: Sequence[Row], models: Sequence[str], rewards: Rewards) -> list[str]:
    """Scorers in the order of the captioners, so that their own rewards make a diagonal; then the others."""
    scored = dict.fromkeys(row.name.removeprefix("score:") for row in rows if row.name.startswith("score:"))
    own = dict.fromkeys(scorer for model in models for scorer in rewards.get(model, ()) if scorer in scored)
    return list(own | scored)


def _scores(found: Found, model: str, scorers: Sequence[str], rewards: Rewards) -> tuple[Cell, ...]:
    return tuple(_score(found, model, scorer, scorer in rewards.get(model, ())) for scorer in scorers)


def _score(found: Found, model: str, scorer: str, own: bool) -> Cell:
    row = found.get((f"score:{scorer}", model))
    if row is None or row.value is None:
        return Cell(note="" if row is None else row.note.removeprefix("unavailable: "), own=own)
    change = found.get((f"score_difference:{scorer}", model))
    return replace(cell(row), text=f"{number(row.value)} {arrow(change)}".strip(), own=own)


def _metric(row: Row | None) -> Cell:
    return cell(row) if row is not None and row.value is not None else Cell()


def _beside(made: Cell, model: str, name: str) -> Cell:
    value = published(model, name)
    return made if value is None else replace(made, paper=number(value))


def _n(rows: Sequence[Row]) -> str:
    counts = {row.n for row in rows if row.name.startswith("score:") and row.value is not None}
    return f"n = {min(counts):,}{f' to {max(counts):,}' if len(counts) > 1 else ''} images" if counts else ""


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
