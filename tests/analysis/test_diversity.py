"""CIDEr similarity of captions to each other: closed cases, and the fast sum against all pairs."""

import math

import numpy as np
import pytest
from drift_toys import EMPTY, context_of, read_plainly

from analysis.drift.diversity import pairwise, rows, self_cider, spread, vectorise

HUMAN = {0: ["a cat on a bed"], 1: ["a dog on the street"], 2: ["two birds in a tree"]}
WORDS = [text.split() for text in ("a cat on a bed", "a cat on a mat", "two birds in a red tree", "a dog", "")]


def kernel(captions: list[list[str]]) -> np.ndarray:
    """All pairs, from dictionaries of n-grams."""

    def grams(words: list[str], n: int) -> list[tuple[str, ...]]:
        return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]

    total = np.zeros((len(captions), len(captions)))
    for n in (1, 2, 3, 4):
        held = [{gram for text in texts for gram in grams(text.split(), n)} for texts in HUMAN.values()]
        idf = {
            gram: math.log(3 / max(1, sum(gram in each for each in held)))
            for words in captions
            for gram in grams(words, n)
        }
        table = list(idf)
        dense = np.array([[grams(words, n).count(gram) * idf[gram] for gram in table] for words in captions])
        norms = np.linalg.norm(dense, axis=1, keepdims=True)
        unit = np.divide(dense, norms, out=np.zeros_like(dense), where=norms > 0)
        total += unit @ unit.T / 4
    return total


def test_pairwise_is_the_mean_over_all_pairs() -> None:
    every = kernel(WORDS)
    pairs = every[~np.eye(len(WORDS), dtype=bool)]
    assert pairwise(vectorise(WORDS, HUMAN), len(WORDS)).value == pytest.approx(pairs.mean())


def test_self_cider_is_the_spectrum_of_the_kernel() -> None:
    found = self_cider(vectorise(WORDS, HUMAN), np.array([0, 0, 0, 1, 2]), 3)
    assert found[0] == pytest.approx(spread(kernel(WORDS[:3])))
    assert np.isnan(found[1:]).all()  # one caption an image says nothing


def test_spread_of_equal_and_of_unrelated_captions() -> None:
    assert spread(np.ones((3, 3))) == pytest.approx(0, abs=1e-6)
    assert spread(np.eye(3)) == pytest.approx(1)
    # eigenvalues 1.5 and 0.5
    r = math.sqrt(1.5) / (math.sqrt(1.5) + math.sqrt(0.5))
    assert spread(np.array([[1, 0.5], [0.5, 1]])) == pytest.approx(-math.log(r) / math.log(2))
    assert math.isnan(spread(np.zeros((2, 2))))


def test_one_caption_an_image_has_no_self_cider() -> None:
    context = context_of([["a cat on a bed"], ["a dog on the street"]])
    assert [row.name for row in rows(read_plainly(["a cat", "a dog"]), "m", context)] == ["drift:pairwise_cider"]
    (row,) = rows(read_plainly(["a cat", "a dog", "a cat"], images=[0, 0, 1]), "m", context)
    assert (row.name, row.n) == ("drift:self_cider", 1)


def test_empty_captions_and_images_without_references() -> None:
    (row,) = rows(read_plainly(["", "..."]), "m", context_of([["a cat"], ["a dog"]]))
    assert row.value == 0
    (row,) = rows(read_plainly(["a cat"]), "m", EMPTY)
    assert row.value is None and row.note.startswith("unavailable")
