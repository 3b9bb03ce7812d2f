"""The cross-scorer matrix from rows made by hand, and its command on two dumps."""

from pathlib import Path

import pytest
from report_world import IDS

from analysis.__main__ import Matrix, run_matrix
from analysis.report.matrix import arrow, matrix_table
from probing_vlp.dump import write_dump
from probing_vlp.errors import UserError
from probing_vlp.pages.results import Row, read_rows
from probing_vlp.records import CaptionRecord


def row(name: str, model: str, value: float | None, low: float | None = None, high: float | None = None) -> Row:
    return Row(name, model, value, low, high, 5, "raw score", "test")


def test_diagonal_arrows_and_what_was_not_scored() -> None:
    rows = [
        row("score:clip", "CE", 0.25, 0.2, 0.3),
        row("score:uniter", "CE", 0.5, 0.4, 0.6),
        row("score:uniter", "U", 0.8, 0.7, 0.9),
        row("score_difference:uniter", "U", 0.3, 0.1, 0.5),
        row("score:clip", "U", None),
    ]
    table = matrix_table(rows, ["CE", "U"], {"CE": [], "U": ["uniter"]})
    assert table is not None and table.columns == ("uniter", "clip") and table.n == "n = 5 images"
    cells = {line.title: [(cell.text, cell.own) for cell in line.cells] for line in table.lines}
    assert cells == {"CE": [("0.500", False), ("0.250", False)], "U": [("0.800 ↑", True), ("–", False)]}


@pytest.mark.parametrize(
    ("low", "high", "sign"), [(0.1, 0.2, "↑"), (-0.2, -0.1, "↓"), (-0.1, 0.2, ""), (0.0, 0.2, ""), (None, None, "")]
)
def test_an_arrow_needs_an_interval_without_zero(low: float | None, high: float | None, sign: str) -> None:
    assert arrow(row("score_difference:x", "m", 0.1, low, high)) == sign


def test_no_matrix_of_one_scorer_or_one_dump() -> None:
    one = [row("score:uniter", "CE", 0.5), row("score:uniter", "U", 0.8)]
    assert matrix_table(one, ["CE", "U"], {}) is None
    assert matrix_table([row("score:a", "CE", 0.5), row("score:b", "CE", 0.5)], ["CE"], {}) is None


def dumps(folder: Path, scorers: tuple[str, ...]) -> list[Path]:
    paths = []
    for name, lift in (("CE", 0.0), ("U", 0.25)):
        records = [
            CaptionRecord(key, "a dog", f"{key}.jpg", ("a", "dog"), -1.0, dict.fromkeys(scorers, i / 10 + lift))
            for i, key in enumerate(IDS)
        ]
        paths.append(folder / f"{name}.jsonl")
        signature = {"reward": {"uniter": 1.0}} if lift else {}
        write_dump(paths[-1], {"name": name, "split": "test", "signature": signature}, records)
    return paths


def test_the_command_prints_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_matrix(Matrix(dumps(tmp_path, ("uniter", "clip")), tmp_path / "out"))
    said = capsys.readouterr().out
    assert "[0.450 ↑]" in said and "0.200" in said  # CE: (0 + .1 + .2 + .3 + .4) / 5 = .2; + .25
    rows = {(r.name, r.model): r for r in read_rows(tmp_path / "out" / "matrix.csv")}
    change = rows["score_difference:clip", "U"]
    assert (change.value, change.ci_low, change.n) == (pytest.approx(0.25), pytest.approx(0.25), 5)


def test_too_few_scorers_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="two dumps and two scorers"):
        run_matrix(Matrix(dumps(tmp_path, ("uniter",)), tmp_path / "out"))
    assert not (tmp_path / "out").exists()
