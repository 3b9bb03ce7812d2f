"""Tables as CSV and LaTeX, figures as SVG and PNG."""

import csv
import io
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from analysis.report.charts import Dot, dot_chart
from probing_vlp.pages.exports import exports, latex, table_csv, table_latex
from probing_vlp.pages.results import Row
from probing_vlp.pages.tables import Cell, Line, Table, cell

ROW = Row("score:x", "CE", 0.12345678, 0.1, 0.2, 507, "raw score", "test")
NUMBERS = Table(
    "t-2",
    "Scores & costs",
    ("uniter", "100 %"),
    (
        Line("CE_1", (cell(ROW, paper=0.9), Cell(note="not scored"))),
        Line("all", (Cell("unavailable", note="no java"),)),
    ),
    "n = 507 images",
    (("Matching score by", 1), ("Costs", 1)),
)
WORDS = Table("words", "Captions", ("a", "b"), (Line("image 1", (Cell("a dog " * 9), Cell("–"))),), wordy=True)


def test_csv_has_full_precision_and_the_interval_in_columns_of_their_own() -> None:
    lines = list(csv.reader(io.StringIO(table_csv(NUMBERS))))
    assert lines[0] == ["", "uniter", *(f"uniter, {part}" for part in ("low", "high", "n", "paper", "note")), "100 %",
                        "100 %, note"]  # fmt: skip
    assert lines[1] == ["CE_1", "0.12345678", "0.1", "0.2", "507", "0.900", "", "", "not scored"]
    assert lines[2] == ["all", "unavailable", "", "", "", "", "no java", "", ""]


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("50% & #1 $x_2 {a}", r"50\% \& \#1 \$x\_2 \{a\}"),
        (r"a\b~c^d", r"a\textbackslash{}b\textasciitilde{}c\textasciicircum{}d"),
        ("0.5 ↑ −3 ↓", r"0.5 $\uparrow$ $-$3 $\downarrow$"),
        ("<é> “x”…", r"\textless{}é\textgreater{} ``x''\ldots{}"),
        ("狗\n\tx", "[U+72D7] x"),
        ("\x00", "[U+0000]"),
    ],
)
def test_latex_prints_any_text_as_it_stands(text: str, escaped: str) -> None:
    assert latex(text) == escaped


def test_latex_tables_have_as_many_cells_a_line_as_columns() -> None:
    made = table_latex(NUMBERS)
    assert (
        r"\begin{tabular}{lrr}" in made and r"\label{tab:t-2}" in made and r"Scores \& costs (n = 507 images)" in made
    )
    assert r"\multicolumn{1}{c}{Matching score by} & \multicolumn{1}{c}{Costs} \\" in made
    assert r"\cmidrule(lr){2-2} \cmidrule(lr){3-3}" in made
    assert r"CE\_1 & 0.123 {\scriptsize (0.100 to 0.200)} & -- \\" in made
    assert r"all & \multicolumn{2}{l}{unavailable} \\" in made
    assert re.search(r"\{lp\{0\.80\\linewidth\}l\}", table_latex(WORDS))
    for table in (NUMBERS, WORDS):
        text = table_latex(table)
        assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")
        assert [text.count(f"\\{end}rule") for end in ("top", "bottom")] == [1, 1]


def test_every_table_and_figure_has_two_files() -> None:
    drawing = dot_chart("figure-2-0", "t", "d", [Dot("a", 0, 1.0, None, None)])
    made = dict(exports([NUMBERS], [drawing]))
    assert list(made) == ["tables/t-2.csv", "tables/t-2.tex", "figures/figure-2-0.svg", "figures/figure-2-0.png"]
    assert made["figures/figure-2-0.png"].startswith(b"\x89PNG") and b"<svg" in made["figures/figure-2-0.svg"]


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex on PATH")
def test_latex_compiles(tmp_path: Path) -> None:
    body = "\n".join(map(table_latex, (NUMBERS, WORDS)))
    head = "\\documentclass{article}\\usepackage{booktabs}\\usepackage[T1]{fontenc}\\begin{document}\n"
    (tmp_path / "t.tex").write_text(f"{head}{body}\n\\end{{document}}\n")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "t.tex"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-2000:]
