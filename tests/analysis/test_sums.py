"""Sums by hand, in any split and order, and their interval beside the bootstrap's."""

import json
import math
from collections import Counter

import numpy as np
import pytest

from analysis.sums import Moments, Tally, merged, moments, tally_from
from probing_vlp.stats import bootstrap_ratio


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_ratio_by_hand() -> None:
    # x 1, 3, 2 and y 2, 2, 4: r = 6/8; residuals x - r y are -0.5, 1.5, -1, of squared sum 3.5
    found = moments(np.array([1.0, 3, 2]), np.array([2.0, 2, 4])).estimate()
    reach = 1.959963985 * math.sqrt(3 / 2 * 3.5 / 8**2)
    assert found.n == 3
    assert found[:3] == pytest.approx((0.75, 0.75 - reach, 0.75 + reach))


def test_mean_has_the_interval_of_the_textbook() -> None:
    values = generator().normal(5, 2, 50)
    found = moments(values, np.ones(50)).estimate()
    assert found.value == pytest.approx(values.mean(), rel=1e-11)  # values are kept to 2 ** -41
    assert found.high - found.value == pytest.approx(1.959963985 * values.std(ddof=1) / math.sqrt(50), rel=1e-9)


def test_units_cancel() -> None:
    assert moments(np.array([1.0, 3]), np.array([2.0, 2])).estimate() == Moments(2, 4, 4, 10, 8, 8).estimate()


def test_too_little_for_a_value_or_an_interval() -> None:
    assert all(map(math.isnan, Moments().estimate()[:3]))
    assert math.isnan(moments(np.array([1.0]), np.array([0.0])).estimate().value)
    one = moments(np.array([3.0]), np.array([2.0])).estimate()
    assert (one.value, one.n) == (1.5, 1) and math.isnan(one.low)


def test_what_is_no_number_is_left_out_and_not_counted() -> None:
    odd = moments(np.array([1, math.nan, 2, math.inf, 1e300]), np.array([1, 1, 1, 1, math.nan]))
    assert odd == moments(np.array([1.0, 2]), np.ones(2))


def test_large_values_do_not_overflow() -> None:
    found = moments(np.array([1e15, 3e15]), np.ones(2))
    assert found.estimate().value == 2e15 and found.totals() == (4e15, 2)


@pytest.mark.parametrize("heavy", [False, True])
def test_interval_is_the_bootstraps_at_the_size_of_a_survey(heavy: bool) -> None:
    draws = generator(5)
    bottom = draws.poisson(9, 2000) + 1.0
    top = draws.binomial(bottom.astype(int), 0.3) + (draws.lognormal(0, 1.5, 2000) if heavy else 0.0)
    exact, drawn = moments(top, bottom).estimate(), bootstrap_ratio(top, bottom, generator(6), 4000)
    assert exact.value == pytest.approx(drawn.value, rel=1e-11)
    assert exact.high - exact.low == pytest.approx(drawn.high - drawn.low, rel=0.06)


def tally(top: np.ndarray, bottom: np.ndarray) -> Tally:
    uses = Counter({"a": len(top), "b": int((top > 0).sum())})
    return Tally(len(top), {"x": {"r": moments(top, bottom)}}, {"x": {"words": uses}})


def test_any_split_and_order_gives_the_same_sums() -> None:
    draws = generator(9)
    top, bottom = draws.normal(0, 1e6, 1000) ** 3, draws.exponential(1e-3, 1000)
    parts = np.split(np.arange(1000), [10, 11, 400, 512, 700, 999])
    whole = tally(top, bottom)
    seven = [tally(top[part], bottom[part]) for part in parts]
    forward, backward = merged(seven), merged(seven[::-1])
    shuffled = draws.permutation(1000)
    again = tally(top[shuffled], bottom[shuffled])
    assert whole == forward == backward == again
    # floating point would not do
    assert sum(top[part].sum() for part in parts) != top[shuffled].sum()


def test_json_keeps_every_bit() -> None:
    found = tally(generator().normal(size=20) * 1e9, np.ones(20))
    assert tally_from(json.loads(json.dumps(found.to_json()))) == found


@pytest.mark.parametrize("spoilt", [{}, {"captions": 1.5, "moments": {}, "counters": {}}, {"captions": 1}])
def test_other_json_is_refused(spoilt: dict[str, object]) -> None:
    with pytest.raises((KeyError, ValueError)):
        tally_from(spoilt)
