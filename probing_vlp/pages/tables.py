"""What a page shows in rows and columns, made from result rows alone: cells, lines, tables."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from probing_vlp.pages.results import Row
from probing_vlp.pages.wording import interval, number

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
