"""CIDEr-D against hand-derived numbers and against a slow, literal reading of the definition."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from probing_vlp.cider_d import CiderD, WordCiderD
from probing_vlp.errors import UserError

A, DOG, CAT, ZEBRA = 1, 2, 3, 99
# Two images, so log 2 is the weight of an n-gram that one image has and 0 that of "a", which both have.
TOY = {10: [[A, DOG]], 20: [[A, CAT]]}
ONE_BIGRAM_APART = math.exp(-1 / 72)

Captions = Mapping[int, Sequence[Sequence[int]]]


def slow_cider_d(references: Captions, corpus: Captions, image_id: int, candidate: Sequence[int]) -> float:
    """The definition, one n-gram after another."""

    def counts(words: Sequence[int], n: int) -> Counter[tuple[int, ...]]:
        return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))

    def vector(words: Sequence[int], n: int) -> dict[tuple[int, ...], float]:
        found = {g: sum(any(g in counts(r, n) for r in image) for image in corpus.values()) for g in counts(words, n)}
        return {g: c * math.log(len(corpus) / max(1, found[g])) for g, c in counts(words, n).items()}

    total = 0.0
    for reference in references[image_id]:
        gap = max(len(candidate) - 1, 0) - max(len(reference) - 1, 0)
        for n in range(1, 5):
            ours, theirs = vector(candidate, n), vector(reference, n)
            norms = math.hypot(*ours.values()) * math.hypot(*theirs.values())
            if norms:
                dot = sum(min(w, theirs[g]) * theirs[g] for g, w in ours.items() if g in theirs)
                total += dot / norms * math.exp(-(gap**2) / 72)
    return 10 * total / (4 * len(references[image_id]))


@pytest.mark.parametrize(
    ("candidate", "expected"),
    [
        ([A, DOG], 10 * (1 + 1 + 0 + 0) / 4),  # equal; there are no 3-grams and no 4-grams
        ([DOG], 10 * 1 / 4 * ONE_BIGRAM_APART),  # no bigram against one
        ([A], 0.0),  # "a" weighs nothing, so the norm is zero
        ([], 0.0),
        # unigrams: 2 L of "dog" clipped to L, L * L / (2 L * L) = 1/2; bigrams: "a dog" and "dog dog", 1 / sqrt 2
        ([A, DOG, DOG], 10 / 4 * (1 / 2 + 1 / math.sqrt(2)) * ONE_BIGRAM_APART),
        ([DOG, ZEBRA], 10 / 4 / math.sqrt(2)),  # an unknown word weighs L too: norm L sqrt 2; no shared bigram
        ([DOG, ZEBRA, ZEBRA], 10 / 4 / math.sqrt(5) * ONE_BIGRAM_APART),  # twice the same: norm L sqrt(1 + 4)
        ([DOG, ZEBRA, CAT], 10 / 4 / math.sqrt(3) * ONE_BIGRAM_APART),  # two words that are not in the reference
        ([CAT], 0.0),  # known, but of the other image
    ],
)
def test_hand_derived(candidate: list[int], expected: float) -> None:
    assert CiderD(TOY).score([10], [candidate]) == pytest.approx([expected], abs=1e-12)


def test_four_words_and_the_mean_over_references() -> None:
    sentence = [1, 2, 3, 4, 5]
    scorer = CiderD({1: [sentence, [6, 7, 8, 9, 10]], 2: [[11, 12, 13, 14]]})
    # 10 against itself, 0 against the other reference
    assert scorer.score([1, 2], [sentence, [11, 12, 13, 14]]) == pytest.approx([5, 10], abs=1e-12)


def test_the_end_of_the_sentence_is_a_word() -> None:
    # "a dog <end>" against itself: 3 orders hold n-grams; "a dog" has neither "dog <end>" nor "a dog <end>"
    scorer = CiderD({10: [[A, DOG, 0]], 20: [[A, CAT, 0]]})
    cut = 10 / 4 * (1 + 1 / math.sqrt(2)) * ONE_BIGRAM_APART  # "a dog" alone of "a dog", "dog <end>"
    assert scorer.score([10, 10], [[A, DOG, 0], [A, DOG]]) == pytest.approx([10 * 3 / 4, cut], abs=1e-12)


def random_captions(generator: np.random.Generator, ids: Sequence[int], words: np.ndarray) -> Captions:
    """One to four captions of 0..9 words an image."""
    return {
        i: [generator.choice(words, generator.integers(0, 10)).tolist() for _ in range(generator.integers(1, 5))]
        for i in ids
    }


@pytest.mark.parametrize("own_corpus", [True, False])
def test_equals_the_definition(own_corpus: bool) -> None:
    generator = np.random.default_rng(0)
    words = np.array([0, 1, 2, 3, 70_000, 2**31 - 1])  # few, so that n-grams repeat; ids of any size are exact
    references = random_captions(generator, [5, 3, 8, 1], words)
    corpus = references if own_corpus else random_captions(generator, range(7), words[:4])
    image_ids = generator.choice([5, 3, 8, 1], 60)
    candidates = [generator.choice(np.append(words, [7, 9]), generator.integers(0, 14)).tolist() for _ in image_ids]
    expected = [slow_cider_d(references, corpus, i, c) for i, c in zip(image_ids, candidates, strict=True)]
    scorer = CiderD(references, None if own_corpus else corpus)
    assert scorer.score(image_ids, candidates) == pytest.approx(expected, abs=1e-12)
    alone = [scorer.score([i], [c])[0] for i, c in zip(image_ids, candidates, strict=True)]
    assert alone == pytest.approx(expected, abs=1e-12)  # neighbours do not matter


def test_array_rows_end_with_their_first_zero() -> None:
    scorer = CiderD({10: [[A, DOG, 0]], 20: [[A, CAT, 0]]})
    rows = np.array([[A, DOG, 0, 0], [A, DOG, 0, CAT], [A, DOG, DOG, CAT], [0, 0, 0, 0]])
    lists = [[A, DOG, 0], [A, DOG, 0], [A, DOG, DOG, CAT], [0]]
    assert scorer.score(np.full(4, 10), rows).tolist() == scorer.score([10] * 4, lists).tolist()


def test_words_as_strings() -> None:
    references = {10: [["a", "dog"]], 20: [["a", "cat"]]}
    scorer = WordCiderD(references)
    ids = CiderD({10: [[A, DOG, 0]], 20: [[A, CAT, 0]]})
    candidates = [["a", "dog"], ["dog", "zebra", "zebra"], ["zebra", "yak"], []]
    expected = ids.score([10] * 4, [[A, DOG, 0], [DOG, 99, 99, 0], [99, 98, 0], [0]])
    assert scorer.score([10] * 4, candidates).tolist() == expected.tolist()
    cut = scorer.score([10, 10], [["a", "dog"], ["a", "dog"]], ended=[True, False])
    assert cut.tolist() == ids.score([10, 10], [[A, DOG, 0], [A, DOG]]).tolist()
    assert WordCiderD(references, end=False).score([10], [["a", "dog"]]) == pytest.approx([5])


def test_an_empty_batch() -> None:
    assert CiderD(TOY).score([], []).shape == (0,)


def test_bad_input() -> None:
    with pytest.raises(UserError, match="image 30 has no reference"):
        CiderD(TOY).score([30], [[A]])
    with pytest.raises(UserError, match="image 7 has no reference captions"):
        CiderD({7: []})
    with pytest.raises(UserError, match="split empty"):
        CiderD({})
    with pytest.raises(ValueError, match="2 images for 1 candidates"):
        CiderD(TOY).score([10, 20], [[A]])
