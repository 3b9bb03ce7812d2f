"""Bootstrap intervals: values by hand, and how often they hold the truth."""

import math

import numpy as np
import pytest

from probing_vlp import stats
from probing_vlp.stats import (
    Estimate,
    bootstrap_mean,
    bootstrap_paired,
    bootstrap_ratio,
    bootstrap_ratio_change,
    bootstrap_ratios,
)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_mean_by_hand() -> None:
    # resamples of {0, 1}: mean 0 in a quarter, 1/2 in a half, 1 in a quarter
    assert bootstrap_mean(np.array([0.0, 1]), generator()) == Estimate(0.5, 0, 1, 2)  # 2.5 % and 97.5 %
    assert bootstrap_mean(np.array([0.0, 1]), generator(), level=0.4) == Estimate(0.5, 0.5, 0.5, 2)  # 30 % and 70 %
    assert bootstrap_mean(np.array([3, 3, 3]), generator()) == Estimate(3, 3, 3, 3)


def test_missing_values_are_left_out_and_not_counted() -> None:
    found = bootstrap_mean(np.array([1, math.nan, 2, 6, math.nan]), generator())
    assert found == bootstrap_mean(np.array([1.0, 2, 6]), generator())
    assert (found.value, found.n) == (3, 3)


def test_too_few_values() -> None:
    one = bootstrap_mean(np.array([4.0, math.nan]), generator())
    assert (one.value, one.n) == (4, 1)
    assert math.isnan(one.low) and math.isnan(one.high)
    for nothing in (np.array([]), np.array([math.nan])):
        none = bootstrap_mean(nothing, generator())
        assert none.n == 0 and all(map(math.isnan, none[:3]))


def test_ratio_by_hand() -> None:
    # 1 of 2 and 3 of 2: 4/4; resamples give 2/4, 4/4 (twice) and 6/4
    assert bootstrap_ratio(np.array([1, 3]), np.array([2, 2]), generator()) == Estimate(1, 0.5, 1.5, 2)
    # units weigh by their denominators: (1 + 8) / (1 + 2), not the mean of 1 and 4; alone they give 1 and 4
    assert bootstrap_ratio(np.array([1, 8]), np.array([1, 2]), generator()) == Estimate(3, 1, 4, 2)
    # a unit with a NaN on either side is left out
    assert bootstrap_ratio(np.array([1, 3, math.nan, 5]), np.array([2, 2, 1, math.nan]), generator()).value == 1
    assert math.isnan(bootstrap_ratio(np.array([1, 2]), np.array([0, 0]), generator()).value)


def test_paired_by_hand() -> None:
    after, before = np.array([2, 5, math.nan, 1]), np.array([1, 1, 1, math.nan])
    found = bootstrap_paired(after, before, generator())  # differences 1 and 4
    assert found == Estimate(2.5, 1, 4, 2)
    with pytest.raises(ValueError, match="3 after, 2 before"):
        bootstrap_paired(np.zeros(3), np.zeros(2), generator())


def test_pairing_takes_out_what_the_units_share() -> None:
    base, noise = generator(1).normal(0, 10, 200), generator(2).normal(0, 0.1, 200)
    paired = bootstrap_paired(base + 1 + noise, base, generator())
    assert paired.low > 0.9 and paired.high < 1.1


def test_the_seed_decides() -> None:
    values = generator(1).normal(size=30)
    assert bootstrap_mean(values, generator(2)) == bootstrap_mean(values, generator(2))
    assert bootstrap_mean(values, generator(2)) != bootstrap_mean(values, generator(3))


def test_width_is_that_of_the_normal_interval() -> None:
    values = generator(1).normal(size=400)
    found = bootstrap_mean(values, generator(2), draws=4000)
    assert found.high - found.low == pytest.approx(2 * 1.96 * values.std() / math.sqrt(400), rel=0.05)


@pytest.mark.parametrize("level", [0.9, 0.5])
def test_intervals_hold_the_truth_as_often_as_they_say(level: float) -> None:
    draws, truth = generator(7), 2.0  # the mean of an exponential distribution, a lopsided one
    estimates = [bootstrap_mean(draws.exponential(truth, 60), draws, 100, level) for _ in range(200)]
    held = np.mean([e.low <= truth <= e.high for e in estimates])
    # three standard deviations of a share of 200, and a few hundredths for 60 values not being infinitely many
    assert held == pytest.approx(level, abs=3 * math.sqrt(level * (1 - level) / 200) + 0.03)


def test_change_of_ratios_by_hand() -> None:
    # 4/4 against 6/3; resamples of the two units: (1/2 - 2/1), (4/4 - 6/3) twice, (3/2 - 4/2)
    after, before = (np.array([1.0, 3]), np.array([2.0, 2])), (np.array([2.0, 4]), np.array([1.0, 2]))
    assert bootstrap_ratio_change(after, before, generator()) == Estimate(-1, -1.5, -0.5, 2)
    # of powers: 10 ** 1 - 10 ** 2
    assert bootstrap_ratio_change(after, before, generator(), base=10.0).value == pytest.approx(-90)
    # means: the paired bootstrap of differences
    ones, draws = np.ones(40), generator(3)
    x, y = draws.normal(size=40), draws.normal(size=40)
    found = bootstrap_ratio_change((x, ones), (y, ones), generator(4))
    assert found == pytest.approx(bootstrap_paired(x, y, generator(4)))


def test_change_without_units_or_interval() -> None:
    none, one, zero = np.array([]), np.array([3.0]), np.array([0.0])
    assert math.isnan(bootstrap_ratio_change((none, none), (none, none), generator()).value)
    assert math.isnan(bootstrap_ratio_change((one, one), (one, zero), generator()).value)
    found = bootstrap_ratio_change((one, one), (one, 2 * one), generator())
    assert (found.value, found.n) == (0.5, 1) and math.isnan(found.low)


def test_draws_do_not_depend_on_how_many_are_made_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    top, bottom = generator(1).normal(size=30), generator(2).poisson(3, 30) + 1
    found = bootstrap_ratio(top, bottom, generator(), 100)
    monkeypatch.setattr(stats, "BLOCK", 1)
    assert bootstrap_ratio(top, bottom, generator(), 100) == pytest.approx(found, rel=1e-12)


def test_one_draw_of_units_serves_all_ratios() -> None:
    tops, bottoms = generator(1).normal(size=(30, 3)), generator(2).poisson(3, (30, 3)) + 1
    bottoms[:, 2] = 0
    first, second, none = bootstrap_ratios(tops, bottoms, generator(), 100)
    assert first == pytest.approx(bootstrap_ratio(tops[:, 0], bottoms[:, 0], generator(), 100))
    assert second == pytest.approx(bootstrap_ratio(tops[:, 1], bottoms[:, 1], generator(), 100))
    assert math.isnan(none.value) and math.isnan(none.low) and none.n == 30


def test_draws_without_denominators_are_left_out() -> None:
    # of two units only the second has a denominator: draws give 1/0 (a quarter), 4/2 (a half), 6/4
    found = bootstrap_ratio(np.array([1, 3]), np.array([0, 2]), generator())
    assert found == Estimate(2, 1.5, 2, 2)
