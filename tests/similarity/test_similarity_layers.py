"""Which layer is compared: fixed, the paper's best three, cross-validated."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr

from probing_vlp.errors import UserError
from probing_vlp.similarity.distances.rdms import Rdms, from_vectors
from probing_vlp.similarity.encoders.caching import Extracted
from probing_vlp.similarity.encoders.layers import SPLITS, choose

WORDS = tuple(f"w{i:02}" for i in range(30))
RNG = np.random.default_rng(0)
TRUTH = RNG.normal(size=(30, 5))
NOISE = (3.0, 0.5, 0.0, 1.0)
"""Of each layer: the third is the truth itself, then the second, the fourth, the first."""
LAYERS = np.stack([TRUTH + noise * RNG.normal(size=TRUTH.shape) for noise in NOISE]).astype(np.float32)
MODEL = Extracted("toy", WORDS, ("0", "1", "2", "3"), LAYERS, True)
TARGET = from_vectors(WORDS, TRUTH)


def test_crossvalidated_finds_the_layer_and_scores_on_the_other_half() -> None:
    chosen = choose(MODEL, TARGET)
    assert len(chosen.parts) == 2 * SPLITS and chosen.consensus == "2" and chosen.layers == ("2",)
    for one, other in zip(chosen.parts[::2], chosen.parts[1::2], strict=True):
        assert not set(one.words) & set(other.words) and set(one.words) | set(other.words) == set(WORDS)
        assert one.words == tuple(sorted(one.words))
    assert len({part.words for part in chosen.parts}) == 2 * SPLITS
    rows = [WORDS.index(word) for word in chosen.parts[0].words]
    assert np.array_equal(chosen.parts[0].vectors, LAYERS[2][rows])
    assert chosen.mean(lambda part: len(part.words)) == 15


def test_the_layer_is_not_chosen_on_the_half_that_it_is_scored_on() -> None:
    """Of twenty layers of noise the best of all looks good; held out it does not."""
    noise = np.random.default_rng(5).normal(size=(20, 30, 5)).astype(np.float32)
    model = Extracted("noise", WORDS, tuple(map(str, range(20))), noise, True)

    def score(mode: str) -> float:
        def rho(part: object) -> float:
            words, vectors = part.words, part.vectors  # type: ignore[attr-defined]
            rows = [WORDS.index(word) for word in words]
            return float(spearmanr(pdist(vectors, "cosine"), pdist(TRUTH[rows], "cosine"))[0])

        return choose(model, TARGET, mode, seed=3, splits=20).mean(rho)

    assert score("best3") > 0.08 and abs(score("crossvalidated")) < 0.05


def test_profile_is_spearman_over_all_words() -> None:
    wanted = [spearmanr(pdist(layer, "cosine"), pdist(TRUTH, "cosine"))[0] for layer in LAYERS]
    np.testing.assert_allclose(list(choose(MODEL, TARGET, "fixed").profile.values()), wanted, atol=1e-9)


def test_best3_is_the_mean_of_vectors_and_says_that_it_is_circular() -> None:
    chosen = choose(MODEL, TARGET, "best3")
    assert chosen.layers == ("2", "1", "3") and chosen.consensus == "2" and "too high" in chosen.note
    np.testing.assert_allclose(chosen.parts[0].vectors, (LAYERS[1] + LAYERS[2] + LAYERS[3]) / 3, atol=1e-6)


@pytest.mark.parametrize(("layer", "place"), [("0", 0), ("last", 3), (-2, 2), ("first", 0)])
def test_fixed(layer: str | int, place: int) -> None:
    (part,) = choose(MODEL, TARGET, "fixed", layer=layer).parts
    assert part.layers == (str(place),) and np.array_equal(part.vectors, LAYERS[place])


def test_order_and_extra_words_of_either_side_do_not_matter() -> None:
    order = np.random.default_rng(1).permutation(30)
    turned = MODEL.only([WORDS[i] for i in order])
    more = from_vectors((*WORDS[::-1], "other"), np.concatenate([TRUTH[::-1], [[1.0, 2, 3, 4, 5]]]))
    for mode in ("crossvalidated", "best3"):
        one, other = choose(MODEL, TARGET, mode), choose(turned, more, mode)
        assert [part.words for part in one.parts] == [part.words for part in other.parts]
        for a, b in zip(one.parts, other.parts, strict=True):
            assert np.array_equal(a.vectors, b.vectors) and a.layers == b.layers


def test_seed_and_subset() -> None:
    first, again, other = (choose(MODEL, TARGET, seed=seed) for seed in (1, 1, 2))
    assert [part.words for part in first.parts] == [part.words for part in again.parts]
    assert [part.words for part in first.parts] != [part.words for part in other.parts]
    part = choose(MODEL, TARGET, words=WORDS[:12]).parts[0]
    assert set(part.words) < set(WORDS[:12]) and len(part.words) == 6


def test_one_layer_needs_no_choice_and_is_scored_on_the_halves_of_the_others() -> None:
    static = Extracted("static", WORDS, ("vectors",), LAYERS[:1], True)
    chosen = choose(static, TARGET)
    assert chosen.layers == ("vectors",) and chosen.note == "there is one layer"
    assert [part.words for part in chosen.parts] == [part.words for part in choose(MODEL, TARGET).parts]


def test_a_layer_without_variance_is_not_chosen() -> None:
    same = LAYERS.copy()
    same[0] = RNG.normal(size=5)
    chosen = choose(Extracted("toy", WORDS, MODEL.layers, same, True), TARGET)
    assert chosen.profile["0"] == -1 and chosen.consensus == "2"


def test_stacks_of_participants_are_averaged() -> None:
    noisy = np.stack([TARGET.dissimilarities[0] + 0.01 * RNG.normal(size=TARGET.n_pairs) for _ in range(3)])
    chosen = choose(MODEL, Rdms(WORDS, noisy, ("a", "b", "c")))
    assert chosen.consensus == "2"


def test_what_cannot_be_chosen() -> None:
    with pytest.raises(UserError, match="layer mode 'best' is not one of crossvalidated, fixed, best3"):
        choose(MODEL, TARGET, "best")
    with pytest.raises(UserError, match="no layer 'middle'; there are: 0, 1, 2, 3"):
        choose(MODEL, TARGET, "fixed", layer="middle")
    with pytest.raises(UserError, match="3 of the words asked for are there; 8 or more"):
        choose(MODEL, TARGET, words=WORDS[:3])
    with pytest.raises(UserError, match="5 words are shared with the target; 8 are needed"):
        choose(MODEL, TARGET.take(WORDS[:5]))
