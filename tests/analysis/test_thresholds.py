"""Limits of drift: the three rules by hand, verdicts, and files that are none."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from analysis.drift.thresholds import (
    DIRECTIONS,
    SHIPPED,
    Band,
    Bands,
    error_of,
    floored_error,
    limits,
    read_bands,
    verdict_rows,
)
from probing_vlp.errors import UserError
from probing_vlp.pages.results import Row

SD = math.sqrt(3 / 4) * 0.3  # with three seeds, (1 + 1/3) SD^2 is 0.3^2
BANDS = Bands("file", "embedded", "test", "greedy", 3, {"nouns": Band(3.0, SD, 0.4, 100)})


def row_of(value: float | None, low: float | None = None, high: float | None = None, **changes: Any) -> Row:
    values = {"name": "drift:x", "model": "m", "n": 100, "unit": "nouns/caption", "source": "", "note": ""}
    return Row(**{**values, "value": value, "ci_low": low, "ci_high": high, **changes})


def test_sampling_error_is_half_an_interval_and_never_less_than_a_step() -> None:
    assert error_of(row_of(1, 1 - 1.96, 1 + 1.96)) == pytest.approx(1)
    assert error_of(row_of(1)) == 0
    assert floored_error(row_of(0, 0, 0, unit="share of captions")) == 1 / 100
    assert floored_error(row_of(0, 0, 0)) == 0


def test_band_of_seeds() -> None:
    found = limits("nouns", row_of(9), None, None, BANDS)
    assert found and (found.low, found.high) == pytest.approx((3 - 3 * 0.5, 3 + 3 * 0.5))
    wider = limits("nouns", row_of(9, n=25), None, None, BANDS)  # a quarter of the images: twice the error
    assert wider and wider.high == pytest.approx(3 + 3 * math.hypot(0.3, 0.8))


def test_what_depends_on_the_number_of_captions_takes_no_band_of_another_size() -> None:
    bands = BANDS._replace(bands={"vocabulary": Band(80, 1, 1, 100)})
    assert limits("vocabulary", row_of(9), None, None, bands)
    assert limits("vocabulary", row_of(9, n=25), None, None, bands) is None
    assert limits("vocabulary", row_of(9, n=25), row_of(9, n=100), None, bands) is None
    assert limits("vocabulary", row_of(9, n=25), row_of(9, n=25), None, bands)


def test_relative_to_the_first_dump() -> None:
    first = row_of(10, 10 - 3 * 1.96, 10 + 3 * 1.96)
    found = limits("nouns", row_of(9, 9 - 4 * 1.96, 9 + 4 * 1.96), first, None, None)
    width = 0.1 * 10 + 3 * 5  # errors 3 and 4
    assert found and (found.low, found.high) == pytest.approx((10 - width, 10 + width))
    assert limits("nouns", row_of(9), None, row_of(12), None) is None


def test_what_humans_do_is_no_drift() -> None:
    for key, ends in (("words", [0.5, 40]), ("nouns", [9, 40]), ("hdd", [0.5, 11])):
        every = [limits(key, row_of(9), row_of(10), row_of(human), None) for human in (10.5, 0.5, 40)]
        middle, few, many = (each for each in every if each)
        assert (middle.low, middle.high) == pytest.approx((9, 11))
        assert [few.low, many.high] == pytest.approx(ends)
        assert ("moved out" in few.rule) == (ends[0] == 0.5)
    found = limits("nouns", row_of(9), None, row_of(40), BANDS)
    assert found and found.high == 40


def test_fixed_limits_of_what_is_a_change() -> None:
    found = limits("kl", row_of(9), None, None, None)
    assert found and found.high == 0.5


@pytest.mark.parametrize(
    ("key", "value", "crossed", "edge"),
    [
        ("nouns", 4.6, 1, 4.5),
        ("nouns", 1, 0, 4.5),
        ("hdd", 1, 1, 1.5),
        ("hdd", 9, 0, 1.5),
        ("words", 1, 1, 1.5),
        ("words", 4.6, 1, 4.5),
        ("words", 2, 0, 1.5),
        ("words", 4, 0, 4.5),
    ],
)
def test_verdicts_go_by_direction(key: str, value: float, crossed: int, edge: float) -> None:
    limit = limits(key, row_of(value), None, None, BANDS._replace(bands={key: BANDS.bands["nouns"]}))
    threshold, verdict = verdict_rows(key, row_of(value), limit)
    assert (threshold.name, verdict.name) == (f"threshold:{key}", f"crossed:{key}")
    assert (threshold.value, verdict.value) == pytest.approx((edge, crossed))
    assert verdict.note.startswith("crossed: yes" if crossed else "crossed: no")


def test_no_value_or_no_limits_are_no_verdict() -> None:
    for row in (row_of(None, note="unavailable: because"), row_of(1)):
        assert [found.value for found in verdict_rows("nouns", row, None)] == [None, None]
    assert verdict_rows("nouns", row_of(None, note="unavailable: because"), None)[1].note == "unavailable: because"


def test_shipped_file() -> None:
    bands = read_bands(SHIPPED)
    assert bands.seeds >= 3
    assert bands.fits({"data": "embedded", "split": "test", "decoding": {"method": "greedy"}})
    assert not bands.fits({"data": "embedded", "split": "test", "decoding": {"method": "beam"}})
    assert not bands.fits({})
    assert set(bands.bands) <= set(DIRECTIONS)
    assert {"nouns", "vocabulary", "repeated_2", "bad_ending", "chair_i", "prefix", "connective"} <= set(bands.bands)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": "caption-dump"}', json.dumps({"format": "drift-thresholds", "version": 2})]
)
def test_other_files_are_refused_in_a_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(UserError, match=r"bad\.json: not a file of thresholds"):
        read_bands(path)
    with pytest.raises(UserError, match="no such file of thresholds"):
        read_bands(tmp_path / "none.json")
