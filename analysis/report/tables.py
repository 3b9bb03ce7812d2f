"""What a report shows, made from result rows alone: exhibits, and layouts that tables share."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from analysis.curves import curve_title
from analysis.inputs import PEOPLE
from probing_vlp.pages.drawing import Drawing
from probing_vlp.pages.results import Row
from probing_vlp.pages.tables import Cell, Line, Table, by_name, cell, common_n, percent_cell
from probing_vlp.pages.wording import number

WHICH = ("first", "lowest", "highest", "last")
SKIPPED = "Not measured: make the report without --skip {}."


@dataclass(frozen=True)
class Exhibit:
    """A table or a figure of the paper, or one that the paper lacks."""

    key: str
    title: str
    hint: str = ""
    tables: tuple[Table, ...] = ()
    drawings: tuple[Drawing, ...] = ()
    missing: str = ""
    """Which command makes the rows, where there are none."""
    paper: Table | None = None
    """The paper's own table."""
    folded: tuple[Table, ...] = ()
    """Tables that are shown when asked for."""

    @property
    def every(self) -> tuple[Table, ...]:
        """All tables but the paper's."""
        return (*self.tables, *self.folded)


def person(model: str) -> str:
    """A model as a heading: the pseudo-model of the human captions is people."""
    return "people’s captions" if model == PEOPLE else model


def measures_down(
    key: str, caption: str, titles: Mapping[str, str], rows: Iterable[Row], models: Sequence[str]
) -> Table:
    """Measures down in the order of `titles`, dumps across; a measure without any row is left out."""
    found = {place: row for place, row in by_name(rows).items() if place[0] in titles}
    n = common_n(found.values())
    lines = []
    for name, title in titles.items():
        signed = name.startswith(("score_difference", "drift_change"))
        cells = [cell(found.get((name, model)), not n, signed) for model in models]
        if any((name, model) in found for model in models):
            same = cells[0].note and len({made.note for made in cells}) == 1
            lines.append(Line(title, tuple(cells[:1] if same else cells)))
    return Table(key, caption, tuple(models), tuple(lines), n)


def unigram_table(rows: Iterable[Row], models: Sequence[str]) -> Table:
    """The most frequent words: rank down, dumps across, each with its share of all words."""
    ranked: dict[int, dict[str, Cell]] = {}
    shares = [row for row in rows if row.name.startswith("unigram_share:") and row.value is not None]
    for row in shares:
        rank, word = row.name.split(":", 2)[1:]
        share = percent_cell(row)
        span = f" ({share.interval})" if share.interval else ""
        ranked.setdefault(int(rank), {})[row.model] = Cell(word, f"{share.text}{span}", row=row)
    lines = tuple(
        Line(str(rank), tuple(cells.get(model, Cell()) for model in models)) for rank, cells in sorted(ranked.items())
    )
    caption = "The most frequent words, with their share of all words"
    return Table("unigrams", caption, tuple(models), lines, common_n(shares, "captions"))


def curve_table(rows: Iterable[Row], model: str, place: int = 0) -> Table:
    """First, lowest, highest and last value of each curve of a dump's run, with the step."""
    found = {row.name: row for row in rows if row.model == model and row.name.startswith("curve:")}
    keys = dict.fromkeys(name.split(":")[1] for name in found)
    made: Callable[[Row], Cell] = lambda row: Cell(number(row.value or 0.0), row.note, row=row)  # noqa: E731
    lines = tuple(Line(curve_title(key), tuple(made(found[f"curve:{key}:{which}"]) for which in WHICH)) for key in keys)
    return Table(f"curves-{place}", f"Training of {model}: values on the way", WHICH, lines)
