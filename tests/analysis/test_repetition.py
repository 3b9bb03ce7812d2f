"""Repeated n-grams, doubled words and repeated nouns, counted by hand."""

import pytest
from drift_toys import EMPTY, read_plainly

from analysis.drift.repetition import columns, ratios
from analysis.reading import Reading


def value(name: str, captions: list[Reading]) -> float:
    ratio, found = ratios()[f"drift:{name}"], columns(captions, EMPTY)
    return float(found[ratio.top].sum() / found[ratio.bottom].sum())


def test_ngrams_that_stood_there_before() -> None:
    # a cat a cat a: words a cat | bigrams a-cat cat-a | trigrams a-cat-a cat-a-cat | one 4-gram twice? acac, caca: two
    captions = read_plainly(["a cat a cat a", "two dogs"])
    assert value("repeated_1", captions) == pytest.approx((5 - 2 + 2 - 2) / (5 + 2))
    assert value("repeated_2", captions) == pytest.approx((4 - 2 + 1 - 1) / (4 + 1))
    assert value("repeated_3", captions) == pytest.approx((3 - 2) / 3)  # the second caption has no trigram
    assert value("repeated_4", captions) == 0


def test_doubled_words_are_neighbours() -> None:
    assert value("doubled_words", read_plainly(["elephant elephant of a elephant", "a a a"])) == pytest.approx(3 / 6)


def test_repeated_nouns_go_by_word_form() -> None:
    tags = (("dog", "NOUN"), ("and", "CCONJ"), ("dog", "NOUN"), ("and", "CCONJ"), ("dogs", "NOUN"))
    assert value("repeated_nouns", [Reading(1, "", (), tags)]) == pytest.approx(1 / 3)


def test_columns_of_a_caption_depend_on_it_alone() -> None:
    captions = read_plainly(["a cat a cat a", "", "!!! ...", "一只猫", "dog " * 2500])
    together = columns(captions, EMPTY)
    for i, caption in enumerate(captions):
        for name, found in columns([caption], EMPTY).items():
            assert found.tolist() == [together[name][i]]
    assert together["repeated_1"].tolist() == [3, 0, 0, 0, 2499]
    assert together["grams_4"].tolist() == [2, 0, 0, 0, 2497]
