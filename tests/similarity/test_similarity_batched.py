"""Many models at once: the same numbers as one at a time, and as the definitions."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from probing_vlp.similarity.distances import batched
from probing_vlp.similarity.distances.comparing import compare
from probing_vlp.similarity.distances.rdms import Rdms, from_vectors, pairs_of

WORDS = tuple(f"w{i:02d}" for i in range(12))
PAIRS = pairs_of(len(WORDS))


def distances(seed: int, ties: bool = False) -> np.ndarray:
    made = np.random.default_rng(seed).random(PAIRS)
    return np.round(made, 1) if ties else made


@pytest.mark.parametrize("ties", [False, True])
def test_a_draw_is_spearman_of_the_drawn_pairs(ties: bool) -> None:
    rows = np.arange(len(WORDS))
    part = batched.Part(
        rows, np.stack([distances(1, ties), distances(2)]), np.stack([distances(3, ties), distances(4)])
    )
    counts = batched.word_counts(len(WORDS), 6, seed=1)
    with_references, among = batched.bootstrap([part], counts)
    first, second = np.triu_indices(len(WORDS), 1)
    for draw, count in enumerate(counts):
        times = count[first] * count[second]  # a pair comes as often as its words together
        drawn = [np.repeat(each, times) for each in (*part.models, *part.references)]
        for model in (0, 1):
            for reference in (0, 1):
                expected = spearmanr(drawn[model], drawn[2 + reference])[0]
                assert with_references[draw, 0, model, reference] == pytest.approx(expected, abs=1e-6)
        assert among[draw, 0, 0, 1] == pytest.approx(spearmanr(drawn[2], drawn[3])[0], abs=1e-6)


def test_one_part_of_all_words_is_compare() -> None:
    model = from_vectors(WORDS, np.random.default_rng(5).normal(size=(len(WORDS), 6)))
    target = Rdms(WORDS, distances(7)[None])
    expected = compare(model, target, permutations=200, bootstrap=200, seed=3)
    part = batched.Part(np.arange(len(WORDS)), model.group[None], target.group[None])
    drawn = batched.bootstrap([part], batched.word_counts(len(WORDS), 200, 3))[0][:, 0, 0, 0]
    orders = batched.word_permutations(len(WORDS), 200, 3)
    p = batched.mantel([part.rows], [batched.unit_ranks(part.models)], target.group, orders)
    assert batched.correlations([part])[0][0, 0, 0] == pytest.approx(expected.value, abs=1e-12)
    assert np.quantile(drawn, [0.025, 0.975]) == pytest.approx([expected.ci_low, expected.ci_high], abs=1e-6)
    assert p[0] == expected.p


def test_no_number_without_differences() -> None:
    part = batched.Part(np.arange(len(WORDS)), np.stack([np.ones(PAIRS), distances(1)]), distances(2)[None])
    counts = batched.word_counts(len(WORDS), 3, 1)
    assert np.isnan(batched.correlations([part])[0][0, 0, 0])
    assert np.isnan(batched.bootstrap([part], counts)[0][:, 0, 0, 0]).all()
    p = batched.mantel(
        [part.rows], [batched.unit_ranks(part.models)], distances(2), batched.word_permutations(12, 20, 1)
    )
    assert np.isnan(p[0]) and 0 < p[1] <= 1
