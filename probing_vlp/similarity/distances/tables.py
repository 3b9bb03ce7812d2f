"""Tables of words from CSV, TSV and xlsx files, cell by cell: which cell is wrong is said by row and column."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from probing_vlp.errors import UserError
from probing_vlp.files import read_bytes
from probing_vlp.similarity.distances.rdms import some

NAMES = ("word", "words", "noun", "concept")
"""What a column of words is called, in any case; without one it is the first column."""


@dataclass(frozen=True)
class Table:
    """A header and rows of as many cells of text; `numbers` are the rows' places in the file, from 1."""

    path: str
    header: tuple[str, ...]
    rows: list[list[str]]
    numbers: list[int]

    def place(self, name: str) -> int:
        """Where a column stands; UserError with the names that there are."""
        if name not in self.header:
            raise UserError(f"{self.path}: has no column '{name}'; it has {some(self.header)}")
        return self.header.index(name)

    def word_place(self, name: str | None = None) -> int:
        """Where the words stand."""
        if name is not None:
            return self.place(name)
        return next((i for i, title in enumerate(self.header) if title.strip().casefold() in NAMES), 0)

    def column(self, place: int) -> tuple[str, ...]:
        """The cells of a column."""
        return tuple(row[place] for row in self.rows)


def read_table(path: Path) -> Table:
    """A .csv, .tsv or .xlsx file (its first sheet); empty lines are passed over.

    UserError for what is no table, for rows of another length than the header, and for column names that stand twice.
    """
    cells = _xlsx(path) if path.suffix.lower() == ".xlsx" else _separated(path)
    kept = [(number, row) for number, row in cells if any(cell.strip() for cell in row)]
    if len(kept) < 2:
        raise UserError(f"{path}: a table needs a header and rows of words; it has {len(kept)} lines")
    header = tuple(title.strip() for title in kept[0][1])
    for number, row in kept[1:]:
        if len(row) != len(header):
            raise UserError(f"{path}, row {number}: {len(row)} cells where the header has {len(header)}")
    if twice := sorted({title for title in header if header.count(title) > 1}):
        raise UserError(f"{path}: columns that stand twice: {some(twice)}")
    return Table(str(path), header, [row for _, row in kept[1:]], [number for number, _ in kept[1:]])


def numeric(table: Table, words: int, drop: Sequence[str] = ()) -> tuple[tuple[str, ...], np.ndarray, tuple[str, ...]]:
    """Names of the numeric columns, their numbers (rows, columns) float64, and the columns of text left out.

    A column without any number is text; one with a number must have one in every row, or UserError names the cell.
    """
    columns, text, parsed = [], [], []
    for place, title in enumerate(table.header):
        if place == words or title in drop:
            continue
        cells = table.column(place)
        numbers = [number(cell) for cell in cells]
        if all(value is None for value in numbers):
            text.append(title)
            continue
        for row, value in enumerate(numbers):
            if value is None or not np.isfinite(value):
                said = f"'{cells[row].strip()}' is not a number" if cells[row].strip() else "is blank"
                raise UserError(
                    f"{table.path}, row {table.numbers[row]} ('{table.rows[row][words]}'), column '{title}': {said}; "
                    f"mend it, or leave the column out (--drop {title})"
                )
        columns.append(title)
        parsed.append(numbers)
    matrix = np.array(parsed, dtype=np.float64).T if parsed else np.empty((len(table.rows), 0))
    return tuple(columns), matrix, tuple(text)


def number(cell: str) -> float | None:
    """A cell as a number, None if it is none."""
    try:
        return float(cell)
    except ValueError:
        return None


def _separated(path: Path) -> list[tuple[int, list[str]]]:
    try:
        text = read_bytes(path, "table", "give a CSV file with a header").decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{path}: is not text in UTF-8") from None
    first = text.lstrip().partition("\n")[0]
    reader = csv.reader(io.StringIO(text), delimiter=max(",;\t", key=first.count))
    try:
        return [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise UserError(f"{path}, row {reader.line_num}: not a table: {error}") from None


def _xlsx(path: Path) -> list[tuple[int, list[str]]]:
    from openpyxl import load_workbook

    data = read_bytes(path, "table", "give an xlsx file with a header")
    try:
        sheet = load_workbook(io.BytesIO(data), read_only=True, data_only=True).worksheets[0]
        rows = [["" if cell is None else str(cell) for cell in row] for row in sheet.iter_rows(values_only=True)]
    except Exception as error:  # openpyxl lets whatever went wrong through: zip, XML and key errors
        raise UserError(f"{path}: not an xlsx workbook ({type(error).__name__})") from None
    width = max((i for row in rows[:1] for i, title in enumerate(row, 1) if title.strip()), default=0)
    return [(number, row[: max(width, _used(row))] + [""] * (width - len(row))) for number, row in enumerate(rows, 1)]


def _used(row: Sequence[str]) -> int:
    return max((i for i, cell in enumerate(row, 1) if cell.strip()), default=0)
