"""What a report shows, made from result rows alone: cells, lines, tables, exhibits, and layouts that tables share."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from analysis.curves import curve_title
from analysis.inputs import PEOPLE
from analysis.report.drawing import Drawing
from analysis.results import Row
from analysis.wording import interval, number

WHICH = ("first", "lowest", "highest", "last")
SKIPPED = "Not measured: make the report without --skip {}."
Found = Mapping[tuple[str, str], Row]
"""Rows by (name, model)."""


@dataclass(frozen=True)
class Cell:
    """One value as it is shown: the number, its interval, its n where it is not the table's, or why there is none."""

    text: str = "–"
    interval: str = ""
    n: str = ""
    note: str = ""
    own: bool = False
    """Whether a captioner is judged by its own reward."""
    paper: str = ""
    """The paper's number, where the setting is the paper's."""
    row: Row | None = None
    """Where the number comes from; None for a cell of words."""


@dataclass(frozen=True)
class Line:
    """One line: its heading and a cell for each column, or a single one that stands for all."""

    title: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """A table with its caption; `n` is said once where it is the same for every value."""

    key: str
    caption: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    n: str = ""
    groups: tuple[tuple[str, int], ...] = ()
    """Headings over neighbouring columns: what they say, how many columns they span."""
    wordy: bool = False
    """Whether cells hold sentences rather than numbers."""


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


def by_name(rows: Iterable[Row]) -> dict[tuple[str, str], Row]:
    """Rows by (name, model)."""
    return {(row.name, row.model): row for row in rows}


def common_n(rows: Iterable[Row | None], units: str = "images") -> str:
    """ "n = 507 images" if every row with a value has that many, else ""."""
    counts = {row.n for row in rows if row is not None and row.value is not None}
    return f"n = {counts.pop():,} {units}" if len(counts) == 1 else ""


def cell(row: Row | None, with_n: bool = False, signed: bool = False, paper: float | None = None) -> Cell:
    """A row as a cell; `paper` is the paper's value on the scale of the row."""
    if row is None:
        return Cell()
    if row.value is None:
        return Cell("unavailable", note=row.note.removeprefix("unavailable: "), row=row)
    span = interval(row.ci_low, row.ci_high, signed) if row.ci_low is not None and row.ci_high is not None else ""
    whole = row.unit in ("captions", "images") and row.value == int(row.value)
    text = f"{int(row.value):,}" if whole else number(row.value, signed)
    beside = number(paper) if paper is not None else ""
    return Cell(text, span, f"n = {row.n:,}" if with_n else "", paper=beside, row=row)


def percent_cell(row: Row | None, note: str = "") -> Cell:
    """A share as per cent."""
    if row is None or row.value is None:
        return Cell() if row is None else cell(row)
    known = row.ci_low is not None and row.ci_high is not None
    span = interval(100 * (row.ci_low or 0), 100 * (row.ci_high or 0)) if known else ""
    return Cell(f"{number(100 * row.value)} %", span, note=note, row=row)


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
