"""Shared bootstrap draws, against the plain bootstrap and by hand."""

import numpy as np
import pytest

from analysis.ratios import CAPTIONS, Ratio
from analysis.resampling import changes, estimates, sums_by_image
from probing_vlp.stats import bootstrap_ratio

RATIOS = {"mean": Ratio("x", CAPTIONS, "", ""), "share": Ratio("x", "y", "", ""), "none": Ratio("x", "zero", "", "")}


def generator() -> np.random.Generator:
    return np.random.default_rng(3)


def columns(values: list[float]) -> dict[str, np.ndarray]:
    x = np.array(values)
    return {"x": x, "y": x + 2, "zero": 0 * x}


def test_as_the_plain_bootstrap() -> None:
    values = np.random.default_rng(0).normal(5, 1, 50)
    sums = sums_by_image(range(50), columns(values.tolist()))
    mean, share, none = estimates(RATIOS, sums, generator(), 300)
    assert mean == pytest.approx(bootstrap_ratio(values, np.ones(50), generator(), 300))
    assert share == pytest.approx(bootstrap_ratio(values, values + 2, generator(), 300))
    assert np.isnan(none.value) and np.isnan(none.low) and none.n == 50


def test_captions_of_one_image_are_drawn_together() -> None:
    twice = sums_by_image([4, 4, 7, 7], columns([1, 1, 3, 3]))
    once = sums_by_image([4, 7], columns([1, 3]))
    assert twice.images.tolist() == [4, 7] and twice.columns[CAPTIONS].tolist() == [2, 2]
    assert estimates(RATIOS, twice, generator(), 50)[:2] == estimates(RATIOS, once, generator(), 50)[:2]


def test_order_of_captions_changes_nothing() -> None:
    first, second = sums_by_image([1, 2, 3], columns([1, 2, 4])), sums_by_image([3, 1, 2], columns([4, 1, 2]))
    assert estimates(RATIOS, first, generator(), 50)[:2] == estimates(RATIOS, second, generator(), 50)[:2]


def test_changes_are_paired_and_over_shared_images() -> None:
    after, before = sums_by_image([1, 2, 3, 9], columns([3, 4, 6, 99])), sums_by_image([3, 2, 1], columns([5, 3, 2]))
    mean, *_ = changes(RATIOS, after, before, generator(), 50)
    assert mean == pytest.approx((1, 1, 1, 3))  # every image rose by one, so every draw does


def test_one_image_and_none() -> None:
    (one,) = estimates({"mean": RATIOS["mean"]}, sums_by_image([1], columns([2])), generator(), 10)
    assert one.value == 2 and np.isnan(one.low)
    (none,) = changes({"m": RATIOS["mean"]}, *(sums_by_image([i], columns([2])) for i in (1, 2)), generator(), 10)
    assert np.isnan(none.value) and none.n == 0
