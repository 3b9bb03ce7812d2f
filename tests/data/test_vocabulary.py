"""Vocabulary, type-token ratios and distinct captions, from counts small enough to do by hand."""

import math
from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from drift_toys import EMPTY, context_of, read_plainly

from analysis.drift.vocabulary import columns, counted_rows, counters, frequent_words, rarefied, rows, statistics

CAPTIONS = ["a cat on a bed", "A cat on a bed.", "a dog", ""]


def test_by_hand() -> None:
    found = {row.name: row for row in rows(read_plainly(CAPTIONS), "m")}
    # words: a 5, cat 2, on 2, bed 2, dog 1: 12 uses of 5 words; captions: two alike, one, an empty one
    assert found["drift:vocabulary"].value == 5
    assert found["drift:type_token_ratio"].value == pytest.approx(5 / 12)
    assert found["drift:distinct_captions"].value == pytest.approx(3 / 4)
    assert found["drift:hdd"].value is None  # fewer than 42 words
    assert {row.n for row in found.values()} == {4}


def test_rarefied_is_the_mean_over_all_samples() -> None:
    words = list("aaabbc")
    every = [len(set(chosen)) for chosen in combinations(words, 3)]
    assert rarefied(np.array([3, 2, 1]), 3) == pytest.approx(sum(every) / len(every))
    assert rarefied(np.array([3, 2, 1]), 6) == pytest.approx(3)
    assert math.isnan(rarefied(np.array([3, 2, 1]), 7))


def test_rarefied_forgets_the_length() -> None:
    uses = np.array([400, 300, 200, 100])
    assert rarefied(uses, 42) == pytest.approx(rarefied(uses * 50, 42), rel=0.01)


def test_jackknife_of_as_many_groups_as_images() -> None:
    # vocabulary without image 0, 1, 2: {a, b, c} less what only it has: 2, 3, 2
    row = rows(read_plainly(["a", "b", "b c"]), "m")[0]
    left = np.array([2, 3, 2])
    error = math.sqrt(2 / 3 * ((left - left.mean()) ** 2).sum())
    assert row.value == 3
    assert row.ci_low == pytest.approx(3 - 1.96 * error)


def test_order_of_captions_changes_nothing() -> None:
    texts = [f"a thing {i % 7} near number {i % 11}" for i in range(60)]
    captions = read_plainly(texts)
    assert rows(captions, "m") == rows(captions[::-1], "m")


def test_shards_of_counters_add_up() -> None:
    captions = read_plainly(CAPTIONS)
    whole = counters(captions, EMPTY)
    halves = [counters(part, EMPTY) for part in (captions[:1], captions[1:])]
    assert {name: halves[0][name] + halves[1][name] for name in whole} == whole
    values = {row.name: row.value for row in counted_rows(whole, "m", EMPTY)}
    assert values == {row.name: row.value for row in rows(captions, "m")}


def test_no_words_at_all() -> None:
    assert [row.value for row in rows(read_plainly(["", "..."]), "m")] == [0, None, 0.5, None, None]
    assert statistics(np.zeros(0), np.zeros(0))["vocabulary"] == 0
    assert counted_rows({"words": Counter(), "captions": Counter()}, "m", EMPTY)[0].value == 0


def test_frequent_words_are_those_of_the_humans() -> None:
    context = context_of([[f"a w{i:03d}" for i in range(150)]])
    assert len(frequent_words(context)) == 100
    assert {"a", "w000", "w098"} <= frequent_words(context)  # ties in alphabetical order
    found = columns(read_plainly(["a w000 w149", ""]), context)
    assert found["frequent_words"].tolist() == [2, 0]
    assert columns(read_plainly(["a"]), EMPTY)["ranked_words"].tolist() == [0]
