"""The Mantel test: every order of few words by hand, ties, seeds, and both alternatives."""

from itertools import permutations

import numpy as np
import pytest

from probing_vlp.errors import UserError
from probing_vlp.similarity.distances.measures import CONTROLLED, MEASURES, prepare, ranks, score
from probing_vlp.similarity.distances.permutation import mantel
from probing_vlp.similarity.distances.rdms import pairs_of, square


def distances(n: int, number: int = 3) -> list[np.ndarray]:
    generator = np.random.default_rng(5)
    return list(generator.normal(size=(number, pairs_of(n))))


@pytest.mark.parametrize("measure", MEASURES)
def test_the_null_is_the_measure_on_moved_words(measure: str) -> None:
    n = 4
    a, b, c = distances(n)
    controls = [c] if measure in CONTROLLED else []
    moved = (square(b, n)[np.ix_(order, order)][np.triu_indices(n, 1)] for order in permutations(range(n)))
    every = [score(measure, a, each, controls) for each in moved]
    found = mantel(prepare(measure, a, controls), ranks(b), n, 2000, seed=1)
    assert found.value == pytest.approx(score(measure, a, b, controls), abs=1e-14)
    assert {round(value, 9) for value in found.null} == {round(value, 9) for value in every}
    share = np.mean([value >= found.value - 1e-9 for value in every])
    assert found.p_greater == pytest.approx(share, abs=0.05)


def test_p_counts_the_observed_order_and_ties_with_it() -> None:
    a, _, _ = distances(30)
    found = mantel(prepare("spearman", a), ranks(a), 30, 99, seed=1)
    assert (found.value, found.p_greater, found.p_two_sided) == (pytest.approx(1), 1 / 100, 1 / 100)
    against = mantel(prepare("spearman", a), ranks(-a), 30, 99, seed=1)
    assert (against.p_greater, against.p_two_sided) == (1.0, 1 / 100)
    assert against.p("two-sided") == 1 / 100
    # of three pairs of four words, equal corners: 8 of the 24 orders leave the matrix as it is
    same = np.array([0.0, 1, 1, 1, 1, 0])
    kept = mantel(prepare("spearman", same), ranks(same), 4, 3000, seed=1)
    assert kept.p_greater == pytest.approx(8 / 24, abs=0.03)


def test_a_seed_draws_the_same_and_no_permutations_give_no_p() -> None:
    a, b, _ = distances(12)
    one, again, other = (mantel(prepare("spearman", a), ranks(b), 12, 50, seed) for seed in (1, 1, 2))
    assert (one.null == again.null).all() and (one.null != other.null).any()
    assert np.isnan(mantel(prepare("spearman", a), ranks(b), 12, 0, 1).p_greater)
    with pytest.raises(UserError, match="unknown alternative"):
        one.p("less")


def test_chance_is_uniform() -> None:
    generator = np.random.default_rng(6)
    found = [
        mantel(prepare("spearman", a), ranks(b), 8, 39, seed).p_greater
        for seed, (a, b) in enumerate(generator.normal(size=(200, 2, pairs_of(8))))
    ]
    assert np.mean(np.array(found) <= 0.25) == pytest.approx(0.25, abs=0.08)
