"""Prefixes and sentence patterns as tables: the paper's own (its Table 5), and those that were found in each dump."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from analysis.patterns.named import PAPER
from analysis.report import paper
from analysis.report.tables import SKIPPED, Exhibit, person
from probing_vlp.pages.results import Row
from probing_vlp.pages.tables import Cell, Line, Table, by_name, cell, common_n, percent_cell
from probing_vlp.pages.wording import number


def table_5(rows: Sequence[Row], models: Sequence[str], papers: Mapping[str, str]) -> Exhibit:
    """The paper's prefixes and patterns, and those that were found."""
    named = dict.fromkeys(row.name for row in rows if row.name.startswith(("prefix:", "pattern:")))
    found = by_name(rows)
    order = sorted(named, key=lambda name: (_place(name.split(":")[1]), not name.startswith("prefix")))
    lines = tuple(
        Line(
            _definition(name, next((row.note for (key, _), row in found.items() if key == name), "")),
            tuple(_share(found.get((name, model)), papers.get(model) == name.split(":")[1]) for model in models),
        )
        for name in order
    )
    n = common_n([found[name, model] for name in order for model in models if (name, model) in found], "captions")
    caption = "Share of captions with the paper’s prefixes and patterns, and one such caption"
    tables = [Table("table-5", caption, tuple(map(person, models)), lines, n)] * bool(lines)
    tables += [table for place, model in enumerate(models) if (table := found_table(rows, model, place)).lines]
    missing = "" if tables else SKIPPED.format("patterns")
    return Exhibit(
        "table-5", "Prefixes and sentence patterns", "", tuple(tables), missing=missing, paper=paper.table_5()
    )


def _share(row: Row | None, own: bool) -> Cell:
    """A share, and of the note "definition; example" the example; the paper's for a model's own captioner."""
    made = percent_cell(row, row.note.partition("; ")[2] if row else "")
    return replace(made, paper=f"{number(100 * PAPER[row.name])} %") if row and own and row.name in PAPER else made


def found_table(rows: Sequence[Row], model: str, place: int) -> Table:
    """The patterns found in the captions of one dump, commonest first."""
    lifts = {
        row.name.split(":", 2)[2]: row for row in rows if row.model == model and row.name.startswith("found_lift:")
    }
    lines = []
    for kind in ("prefix", "pattern", "part"):
        for row in rows:
            if row.model == model and row.name.startswith(f"found_{kind}:"):
                regex = row.name.split(":", 2)[2]
                lift = lifts.get(regex)
                rise = replace(cell(lift), text=f"{number(lift.value)}×") if lift and lift.value is not None else Cell()
                lines.append(Line(kind, (Cell(regex), percent_cell(row), rise, Cell(row.note))))
    columns = ("Pattern", "Share of captions", "Lift", "Note")
    return Table(f"found-{place}", f"Found in the captions of {model}", columns, tuple(lines), wordy=True)


def _definition(name: str, note: str) -> str:
    kind, model, *rest = name.split(":", 2)
    return f"{model}, {kind}{f' {rest[0]}' if rest else ''}: {note.partition('; ')[0]}"


def _place(model: str) -> int:
    return paper.MODELS.index(model) if model in paper.MODELS else len(paper.MODELS)
