"""Rows survive both files, and a foreign file is refused."""

import csv
import json
from pathlib import Path

import pytest

from probing_vlp.errors import UserError
from probing_vlp.pages.results import FIELDS, Row, read_rows, row, unavailable, write_rows
from probing_vlp.stats import Estimate

ROWS = [
    Row("BLEU-4", "ce", 0.1234567890123456, 0.1, 0.2, 507, "score 0-1", "pycocoevalcap 1.2"),
    Row("length", 'a "b", ü', 9.0, None, None, 1, "words", "x", "two\nlines"),
    unavailable("SPICE", "ce", "score 0-1", "pycocoevalcap 1.2", "no jars", 507),
]


@pytest.mark.parametrize("kind", [0, 1])
def test_rows_come_back_in_full_precision(tmp_path: Path, kind: int) -> None:
    assert read_rows(write_rows(tmp_path / "new" / "folder", ROWS)[kind]) == ROWS


def test_both_files_hold_the_contract_columns(tmp_path: Path) -> None:
    table, records = write_rows(tmp_path, ROWS, "metrics")
    assert (table.name, records.name) == ("metrics.csv", "metrics.json")
    with open(table, newline="") as file:
        assert tuple(next(csv.reader(file))) == FIELDS
    assert json.loads(records.read_text())[2]["value"] is None
    assert FIELDS == ("name", "model", "value", "ci_low", "ci_high", "n", "unit", "source", "note")


def test_nan_becomes_none() -> None:
    nan = float("nan")
    assert row("a", "m", Estimate(1.0, nan, nan, 1), "u", "s") == Row("a", "m", 1.0, None, None, 1, "u", "s")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("r.json", '{"a": 1}', "list of rows"),
        ("r.json", "[{]", "not a results file"),
        ("r.json", "[3]", "row 1: the columns"),
        ("r.csv", "a,b\n1,2\n", "row 1: the columns"),
        ("r.csv", ",".join(FIELDS) + "\nx,m,much,,,3,u,s,\n", "row 1: could not convert"),
    ],
)
def test_foreign_files_are_refused(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=message):
        read_rows(tmp_path / name)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.csv: no such results file"):
        read_rows(tmp_path / "none.csv")
