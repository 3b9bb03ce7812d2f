"""What the report is made of: cells, charts, the published numbers, maps."""

import numpy as np
import pytest

from probing_vlp.similarity.report import paper
from probing_vlp.similarity.report.exhibits import cell
from probing_vlp.similarity.report.figures import Bar, Course, bars, courses, matrix, spread_map, words_map
from probing_vlp.similarity.study.rows import Row


def test_cells() -> None:
    row = Row(model="a", rho=0.25, ci_low=0.2, ci_high=0.3, p=0.004, p_holm=0.012, n_words=9)
    made = cell(row)
    assert (made.text, made.interval, made.note) == ("0.250", "0.200 to 0.300", "p = 0.01")
    assert made.row is not None and (made.row.value, made.row.n) == (0.25, 9)
    assert cell(row, percent=True).text == "25.0 %"
    assert cell(None).text == "–" and cell(Row(note="the distances do not differ here")).note.startswith(
        "the distances"
    )


def test_charts_are_the_same_twice() -> None:
    square = np.abs(np.subtract.outer(np.arange(4.0), np.arange(4.0)))
    for make in (
        lambda: bars("a", "t", "d", [Bar("x", 0, 0.2, 0.1, 0.3), Bar("y", 1, -0.1, hollow=True)], (0.3, 0.4)),
        lambda: courses(
            "b", "t", "d", [Course("x", 0, [0.1, 0.2], [0.0, 0.1], [0.2, 0.3])], ["neutral", "caption-like"]
        ),
        lambda: courses("c", "t", "d", [Course("x", 0, [0.1, 0.2, 0.1], [0] * 3, [1] * 3, True)], xlabel="depth"),
        lambda: matrix("d", "t", "d", square, [("one", 2), ("two", 2)]),
        lambda: words_map("e", "t", "d", square[:, :2], ["one", "one", "two", "two"], ["one", "two"]),
    ):
        first = make().svg()
        assert first == make().svg() and b"<svg" in first


def test_a_map_keeps_distances_that_fit_into_a_plane() -> None:
    points = np.array([[0.0, 0], [3, 0], [0, 4], [3, 4]])
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    found = spread_map(distances, 1)
    assert np.linalg.norm(found[:, None] - found[None], axis=2) == pytest.approx(distances, abs=0.05)
    assert np.array_equal(found, spread_map(distances, 1))


def test_the_published_numbers() -> None:
    conditions, halves, residuals = paper.tables()
    assert [line.title for line in conditions.lines] == ["BERT", "SimCSE", "MCSE", "VisualBERT", "CLIP", "CLAP"]
    assert [made.text for made in conditions.lines[0].cells] == ["0.23", "0.53", "0.26", "0.59", "0.05", "0.16"]
    assert conditions.lines[4].cells[4].note == "not run"
    assert len(halves.columns) == 8 and residuals.lines[0].cells[0].text == "0.104"
