"""Copies of training captions."""

import math

from drift_toys import context_of, read_plainly

from analysis.drift.copying import columns, ratios
from analysis.resampling import estimates, sums_by_image

CAPTIONS = ["A cat, on a bed!", "a cat", "", "a dog of the test images"]


def test_after_tokenising_and_from_the_train_split_alone() -> None:
    context = context_of([["a dog of the test images"]], train=["a cat on a bed.", "."])
    assert columns(read_plainly(CAPTIONS), context)["copied"].tolist() == [1, 0, 0, 0]


def test_without_a_train_split_nothing_is_known() -> None:
    context = context_of([["a cat"]])
    found = columns(read_plainly(CAPTIONS), context)
    sums = sums_by_image(range(4), found)
    assert found["copyable"].sum() == 0
    assert math.isnan(estimates(ratios(), sums, context.generator("x"), 10)[0].value)
