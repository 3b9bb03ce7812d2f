"""Bootstraps: the toolbox's numbers on the same draws, and what must not matter."""

from zlib import crc32

import numpy as np
import pytest

from probing_vlp.similarity.distances import resampling
from probing_vlp.similarity.distances.measures import CONTROLLED, MEASURES, prepare, score
from probing_vlp.similarity.distances.rdms import Rdms, pairs_of, square
from probing_vlp.similarity.distances.resampling import interval, participant_draws, word_draws

N, PEOPLE = 12, 6
WORDS = tuple(f"w{i}" for i in range(N))


def distances(number: int) -> np.ndarray:
    generator = np.random.default_rng(8)
    return generator.normal(size=pairs_of(N)) + generator.normal(size=(number, pairs_of(N)))


def test_word_draws_are_the_toolboxs() -> None:
    from rsatoolbox.rdm import compare

    a, b = distances(2)
    found = word_draws("spearman", [a, b], b, [], N, 20, seed=3)
    picked = np.random.default_rng([3, crc32(b"word bootstrap")]).integers(N, size=(20, N))
    model, target = Rdms(WORDS, a[None]).toolbox(), Rdms(WORDS, b[None]).toolbox()
    for values, drawn in zip(found.T, picked, strict=True):
        samples = [each.subsample_pattern("index", drawn) for each in (model, target)]
        assert values[0] == pytest.approx(compare(*samples, "spearman").item(), abs=1e-13)
        assert values[1] == pytest.approx(1)


@pytest.mark.parametrize("measure", MEASURES)
def test_every_measure_is_made_anew_on_the_drawn_words(measure: str) -> None:
    a, b, c = distances(3)
    controls = [c] if measure in CONTROLLED else []
    found = word_draws(measure, [a], b, controls, N, 5, seed=1)
    picked = np.random.default_rng([1, crc32(b"word bootstrap")]).integers(N, size=(5, N))
    for value, drawn in zip(found[0], np.sort(picked, axis=1), strict=True):
        i, j = np.triu_indices(N, 1)
        apart = drawn[i] != drawn[j]
        of = [square(each, N)[drawn[i], drawn[j]][apart] for each in (a, b, c)]
        assert value == pytest.approx(score(measure, of[0], of[1], of[2:] if controls else []), abs=1e-13)


def test_participant_draws_are_the_toolboxs() -> None:
    from rsatoolbox.inference import boot_noise_ceiling
    from rsatoolbox.rdm import compare

    model, *stack = distances(1 + PEOPLE)
    found = participant_draws(prepare("spearman", model), np.array(stack), 15, seed=3)
    picked = np.random.default_rng([3, crc32(b"participant bootstrap")]).integers(PEOPLE, size=(15, PEOPLE))
    whole = Rdms(WORDS, np.array(stack), tuple(map(str, range(PEOPLE)))).toolbox()
    for draw, who in enumerate(picked):
        sample = whole.subsample("index", who)
        assert found.mean[draw] == pytest.approx(compare(model, sample, "spearman").mean(), abs=1e-13)
        assert found.group[draw] == pytest.approx(compare(model, sample.mean(), "spearman").item(), abs=1e-13)
        if len(set(who)) > 1:
            bounds = found.ceiling_lower[draw], found.ceiling_upper[draw]
            assert bounds == pytest.approx(boot_noise_ceiling(sample, "spearman"), abs=1e-13)


def test_bins_change_a_ceiling_a_little(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(9)
    stack = generator.normal(size=pairs_of(60)) + generator.normal(size=(5, pairs_of(60)))
    prepared = prepare("spearman", generator.normal(size=pairs_of(60)))
    exact = participant_draws(prepared, stack, 10, seed=1)
    monkeypatch.setattr(resampling, "BINS", 1 << 12)
    binned = participant_draws(prepared, stack, 10, seed=1)
    assert binned.ceiling_lower == pytest.approx(exact.ceiling_lower, abs=1e-4)
    assert (binned.ceiling_lower != exact.ceiling_lower).any()
    monkeypatch.setattr(resampling, "THREADS", 1)
    alone = participant_draws(prepared, stack, 10, seed=1)
    assert all((one == other).all() for one, other in zip(alone, binned, strict=True))


def test_an_interval_leaves_out_draws_that_gave_nothing() -> None:
    assert interval(np.array([np.nan, *range(101)])) == pytest.approx((2.5, 97.5, 101))
    assert interval(np.array([np.nan, 1.0]))[2] == 1 and np.isnan(interval(np.array([1.0])).low)
    few = np.random.default_rng(0).normal(size=(2, 6))
    values = word_draws("spearman", [few[0]], few[1], [], 4, 200, seed=1)
    assert 0 < np.isnan(values).sum() < 200
