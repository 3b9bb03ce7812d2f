"""Every table as CSV and LaTeX, every figure as SVG and PNG: files beside the page, for a paper.

CSV: a column for the heading of each line, then for each column of the table its value in full precision, and its
`low`, `high`, `n` and `note` where any line has them; results.csv has the same numbers as tidy rows.
LaTeX: booktabs; needs `\\usepackage{booktabs}`, and `\\usepackage[T1]{fontenc}` for accents.  What LaTeX reads as a
command is escaped; letters beyond Latin become `[U+4E2D]`, since no single engine and font has all of them.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence

from probing_vlp.pages.drawing import Drawing
from probing_vlp.pages.tables import Cell, Line, Table

SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "−": r"$-$",
    "×": r"$\times$",
    "→": r"$\rightarrow$",
    "–": "--",
    "—": "---",
    "…": r"\ldots{}",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    "·": r"$\cdot$",
    "\u00a0": "~",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
}
LAST_LATIN = "\u017f"
WIDE = 24
"""Letters in a cell from which on a LaTeX column breaks its lines."""


def exports(tables: Sequence[Table], drawings: Sequence[Drawing]) -> Iterator[tuple[str, bytes]]:
    """(path below the report's folder, content) of every file."""
    for table in tables:
        yield f"tables/{table.key}.csv", table_csv(table).encode()
        yield f"tables/{table.key}.tex", table_latex(table).encode()
    for drawing in drawings:
        yield f"figures/{drawing.key}.svg", drawing.svg()
        yield f"figures/{drawing.key}.png", drawing.png()


def table_csv(table: Table) -> str:
    """The table as CSV, one line a line."""
    parts = [(place, part) for place in range(len(table.columns)) for part in _parts(table, place)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["", *(_heading(table, place, part) for place, part in parts)])
    for line in table.lines:
        writer.writerow([line.title, *(_value(_at(line, place), part) for place, part in parts)])
    return text.getvalue()


def _parts(table: Table, place: int) -> list[str]:
    cells = [_at(line, place) for line in table.lines]
    known = [made.row for made in cells if made.row is not None]
    has = {
        "low": any(row.ci_low is not None for row in known),
        "high": any(row.ci_high is not None for row in known),
        "n": bool(known),
        "paper": any(made.paper for made in cells),
        "note": any(made.note for made in cells),
    }
    return ["value", *(part for part, there in has.items() if there)]


def _heading(table: Table, place: int, part: str) -> str:
    column = table.columns[place] or f"column {place + 1}"
    return column if part == "value" else f"{column}, {part}"


def _value(cell: Cell, part: str) -> str:
    row = cell.row
    if part == "note":
        return cell.note
    if part == "paper":
        return cell.paper
    if row is None:
        return cell.text if part == "value" and cell.text != "–" else ""
    if part == "value" and not any(letter.isdigit() for letter in cell.text):
        return cell.text  # a word whose row holds its share
    found = {"value": row.value, "low": row.ci_low, "high": row.ci_high, "n": row.n}[part]
    return "" if found is None else str(found)


def table_latex(table: Table) -> str:
    """The table as LaTeX, a float of its own with caption and label."""
    columns = "".join(_column(table, place) for place in range(len(table.columns)))
    caption = latex(f"{table.caption} ({table.n})" if table.n else table.caption)
    rows = [
        *_groups(table),
        " & ".join(["", *map(latex, table.columns)]) + r" \\",
        r"\midrule",
        *(" & ".join([latex(line.title), *_cells(table, line)]) + r" \\" for line in table.lines),
    ]
    body = "\n".join([rf"\begin{{tabular}}{{l{columns}}}", r"\toprule", *rows, r"\bottomrule", r"\end{tabular}"])
    label = re.sub(r"[^a-z0-9-]", "-", table.key.lower())
    return (
        f"% needs \\usepackage{{booktabs}} and \\usepackage[T1]{{fontenc}}\n\\begin{{table}}\n\\centering\n"
        f"\\caption{{{caption}}}\n\\label{{tab:{label}}}\n{body}\n\\end{{table}}\n"
    )


def _column(table: Table, place: int) -> str:
    longest = max((len(line.cells[place].text) for line in table.lines if len(line.cells) > place), default=0)
    long = sum(any(len(_at(line, i).text) > WIDE for line in table.lines) for i in range(len(table.columns)))
    return rf"p{{{0.8 / max(long, 1):.2f}\linewidth}}" if longest > WIDE else "l" if table.wordy else "r"


def _groups(table: Table) -> list[str]:
    if not table.groups:
        return []
    heads, rules, start = [""], [], 2
    for title, span in table.groups:
        heads.append(rf"\multicolumn{{{span}}}{{c}}{{{latex(title)}}}")
        rules.append(rf"\cmidrule(lr){{{start}-{start + span - 1}}}")
        start += span
    return [" & ".join(heads) + r" \\", " ".join(rules)]


def _cells(table: Table, line: Line) -> list[str]:
    if len(line.cells) < len(table.columns):
        return [rf"\multicolumn{{{len(table.columns)}}}{{l}}{{{latex(line.cells[0].text)}}}"]
    return [
        latex(made.text) + (rf" {{\scriptsize ({latex(made.interval)})}}" if made.interval else "")
        for made in line.cells
    ]


def _at(line: Line, place: int) -> Cell:
    """The cell of a column; one that stands for all stands in the first."""
    return line.cells[place] if place < len(line.cells) else Cell("")


def latex(text: str) -> str:
    """Text that LaTeX prints as it stands."""
    return "".join(_letter(letter) for letter in " ".join(text.split()))


def _letter(letter: str) -> str:
    if letter in SPECIAL:
        return SPECIAL[letter]
    if letter <= LAST_LATIN and letter.isprintable():
        return letter
    return f"[U+{ord(letter):04X}]"
