"""Intervals: the paper's by hand, clustered ones by what they must do, errors of F1 against a simulation."""

import math

import numpy as np
import pytest

from probing_vlp.taxonomy.answers import intervals
from probing_vlp.taxonomy.answers.metrics import macro_f1, weighted_f1


def test_the_paper_interval():
    # mean 2, sd 1, n 3: 2 +- 4.302653 / sqrt(3)
    found = intervals.paper_interval(np.array([1.0, 2.0, np.nan, 3.0]))
    assert found == pytest.approx((2, 2 - 2.484138, 2 + 2.484138, 3), abs=1e-5)
    one = intervals.paper_interval(np.array([0.5]))
    assert (one.value, one.n) == (0.5, 1)
    assert math.isnan(one.low)


def test_clusters_come_along_whole():
    random = np.random.default_rng(1)
    # two concepts of three equal values each: any draw is 0, 0.5 or 1, so the interval is all of it
    found = intervals.clustered_mean(np.array([0.0, 0, 0, 1, 1, 1]), np.array(list("aaabbb")), random)
    assert found == (0.5, 0, 1, 2)
    values = np.arange(6.0)
    apart = intervals.clustered_mean(values, np.arange(6), np.random.default_rng(1))
    twice = intervals.clustered_mean(np.repeat(values, 2), np.repeat(np.arange(6), 2), np.random.default_rng(1))
    assert apart == twice  # copies of a cluster's values say nothing new
    uneven = intervals.clustered_mean(np.array([0.0, 1, 1, np.nan]), np.array(list("abbc")), random)
    assert uneven.value == pytest.approx(2 / 3)
    assert uneven.n == 2


def test_one_cluster_has_no_interval_and_none_no_value():
    random = np.random.default_rng(1)
    one = intervals.clustered_mean(np.array([0.25, 0.75]), np.array(["a", "a"]), random)
    assert (one.value, one.n) == (0.5, 1)
    assert math.isnan(one.low)
    none = intervals.clustered_mean(np.array([]), np.array([]), random)
    assert math.isnan(none.value)
    assert none.n == 0


def test_draws_depend_on_seed_and_name_alone():
    first = intervals.weights(5, intervals.generator(1, "full", "held-out"), 3)
    assert (first == intervals.weights(5, intervals.generator(1, "full", "held-out"), 3)).all()
    assert (first != intervals.weights(5, intervals.generator(2, "full", "held-out"), 3)).any()
    assert (first.sum(1) == 5).all()


def test_wilson():
    # 8 of 10: (0.8 + z2/20 -+ z sqrt(0.016 + z2/400)) / (1 + z2/10), z = 1.96
    low, high = intervals.wilson(np.array([8, 0]), np.array([10, 0]))
    assert (low[0], high[0]) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert np.isnan(low[1])


@pytest.mark.parametrize(
    ("metric", "error"),
    [(macro_f1, intervals.macro_f1_error), (weighted_f1, intervals.weighted_f1_error)],
)
def test_the_error_of_f1_is_that_of_drawing_items_again(metric, error):
    table = np.array([[60, 20], [15, 105]])
    drawn = np.random.default_rng(1).multinomial(200, table.ravel() / 200, 20_000).reshape(-1, 2, 2)
    assert error(table) == pytest.approx(metric(drawn).std(), rel=0.03)
    assert error(np.diag([3, 4])) == 0
    assert np.isnan(error(np.zeros((2, 2), int)))


def test_pearson_with_fishers_interval():
    x = np.array([1.0, 2, 3, 4, 5, np.nan])
    y = np.array([2.0, 1, 4, 3, 5, 0])
    # sums of products of deviations: 8 / sqrt(10 * 10); atanh(0.8) = 1.0986 -+ 1.96 / sqrt(2)
    assert intervals.pearson(x, y) == pytest.approx((0.8, -0.2797, 0.9862, 5), abs=1e-4)
    assert math.isnan(intervals.pearson(x, np.ones(6)).value)
    assert math.isnan(intervals.pearson(x[:2], y[:2]).value)
