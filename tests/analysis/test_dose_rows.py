"""Net gains from pairs typed here, and the share that shuffling costs."""

import math

import pytest

from analysis.context import Context
from analysis.verification.doses import net_rows
from probing_vlp.experiments.pairs import Pair, Verification

CONTEXT = Context({}, list, draws=200)


def pairs(experiment: str, gains: dict[int, float | None]) -> list[Pair]:
    return [
        Pair(experiment, "dump", i, "a", "a b", {"s": 1.0}, {"s": None if g is None else 1 + g})
        for i, g in gains.items()
    ]


def verification(*every: list[Pair]) -> Verification:
    header = {"scorers": ["s"], "prefix": "a photo of", "connective": "and", "units": {"s": "logit"}}
    return Verification(header, tuple(pair for each in every for pair in each))


def test_the_net_gain_of_a_prefix_is_a_difference_of_differences() -> None:
    found = verification(
        pairs("prefix-first", {1: 0.9, 2: 0.7, 3: 0.5}),
        pairs("fillers-first", {1: 0.2, 2: 0.1, 3: 0.1}),
        pairs("prefix-last", {1: 0.3, 2: 0.3, 3: None}),
        pairs("fillers-last", {1: 0.1, 2: 0.2, 3: 0.1}),
    )
    (row,) = net_rows(found, "dump", "s", CONTEXT)
    # image 1: (0.9 - 0.2) - (0.3 - 0.1) = 0.5; image 2: (0.7 - 0.1) - (0.3 - 0.2) = 0.5; image 3 was not scored
    assert (row.name, row.n, row.note) == ("verify:dump/prefix-first:net", 2, "prefix: a photo of")
    assert row.value == pytest.approx(0.5) and row.unit == "logit" and row.model == "s"


def test_the_share_that_shuffling_costs() -> None:
    found = verification(
        pairs("shuffled", {1: -0.1, 2: -0.2, 4: -9}), pairs("other-caption", {1: -0.5, 2: -0.7, 3: -9})
    )
    (row,) = net_rows(found, "dump", "s", CONTEXT)
    assert row.name == "verify:dump/shuffled:share" and row.value == pytest.approx(0.3 / 1.2)
    assert row.ci_low == pytest.approx(0.1 / 0.5) and row.ci_high == pytest.approx(0.2 / 0.7)


def test_half_an_experiment_and_another_base_give_nothing() -> None:
    found = verification(pairs("connected", {1: 0.5}))
    assert net_rows(found, "dump", "s", CONTEXT) == [] and net_rows(found, "human", "s", CONTEXT) == []


def test_one_image_has_no_interval() -> None:
    (row,) = net_rows(
        verification(pairs("connected", {1: 0.5}), pairs("others-connected", {1: 0.1})), "dump", "s", CONTEXT
    )
    assert (
        row.value is not None and math.isclose(row.value, 0.4) and row.ci_low is None and row.note == "connective: and"
    )
