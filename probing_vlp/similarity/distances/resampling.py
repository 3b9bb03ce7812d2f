"""How far a measure would move with other words, or with other participants: percentile bootstrap intervals.

Words: n words are drawn with replacement; the pairs of a word with its own copy, whose distance is 0 in every matrix,
are left out (as in rsatoolbox), and ranks and residuals are made anew.  All models are scored on the same draws, so
that differences of models have intervals too.

Participants: as many are drawn with replacement as there are.  Two numbers are followed, each under its name:
`mean`, the mean over participants of the measure against each one's matrix, and `group`, the measure against the plain
mean of their matrices.  Each draw has its noise ceiling as rsatoolbox makes it in `eval_bootstrap_rdm`: the copies of
a participant are left out together, and the mean is over the different participants of the draw.  The ranks of an
average are counted in at most 2^15 bins: exact for few participants and words, and to 2e-7 of the correlation for
36 participants and 320 words.

A draw whose measure does not exist (all distances the same) is left out and not counted.
"""

import os
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import NamedTuple
from zlib import crc32

import numpy as np

from probing_vlp.errors import UserError
from probing_vlp.similarity.distances.measures import Prepared, codes, prepare, ranks, recount
from probing_vlp.similarity.distances.rdms import pairs_of, square

BINS = 1 << 15
THREADS = min(4, os.cpu_count() or 1)
"""More would hold too many matrices of 1,854 words at a time."""
GATHERED = 1 << 22
"""Numbers of group matrices that are made at a time."""


class Interval(NamedTuple):
    """The middle 95 % of what the draws gave, and how many draws gave something."""

    low: float
    high: float
    draws: int


class ParticipantDraws(NamedTuple):
    """What each draw of participants gave, (draws,) each; NaN where it does not exist."""

    mean: np.ndarray
    group: np.ndarray
    ceiling_lower: np.ndarray
    ceiling_upper: np.ndarray


def interval(drawn: np.ndarray, level: float = 0.95) -> Interval:
    """Percentile interval of draws (draws,), NaN left out; NaN with fewer than two of them."""
    kept = drawn[np.isfinite(drawn)]
    if len(kept) < 2:
        return Interval(float("nan"), float("nan"), len(kept))
    low, high = np.quantile(kept, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), len(kept))


def word_draws(
    measure: str,
    models: Sequence[np.ndarray],
    target: np.ndarray,
    controls: Sequence[np.ndarray],
    n: int,
    draws: int,
    seed: int,
) -> np.ndarray:
    """(models, draws): the measure of models, target and controls, each (pairs,), on draws of the n words."""
    if not draws:
        return np.empty((len(models), 0))
    raw = measure == "residual"
    spaces = [np.asarray(each) if raw else codes(each) for each in (*models, *controls)]
    goal = codes(target)
    place = square(np.arange(1, pairs_of(n) + 1, dtype=np.int32), n)  # 0 is a word with itself
    upper = np.ravel_multi_index(np.triu_indices(n, 1), (n, n))

    def scored(words: np.ndarray) -> list[float]:
        pairs = np.take(np.take(place[words], words, axis=1).ravel(), upper)
        pairs = pairs[pairs > 0] - 1
        drawn = [space[pairs] for space in spaces]
        own, removed = drawn[: len(models)], drawn[len(models) :]
        try:
            aim = recount(goal[pairs])
            return [float(prepare(measure, one, removed, ranks if raw else recount).of(aim)) for one in own]
        except (UserError, ValueError):  # no pair, nothing that varies, or the controls leave nothing
            return [float("nan")] * len(models)

    picked = np.random.default_rng([seed, crc32(b"word bootstrap")]).integers(n, size=(draws, n))
    with ThreadPoolExecutor(THREADS) as pool:
        return np.array(list(pool.map(scored, np.sort(picked, axis=1)))).T


def participant_draws(
    prepared: Prepared, dissimilarities: np.ndarray, draws: int, seed: int, ceiling: bool = True
) -> ParticipantDraws:
    """Draws (one or more) of participants (two or more, pairs); without `ceiling` the ceilings are NaN."""
    people = len(dissimilarities)
    picked = np.random.default_rng([seed, crc32(b"participant bootstrap")]).integers(people, size=(draws, people))
    times = np.stack([np.bincount(each, minlength=people) for each in picked])
    own = np.stack([ranks(each) for each in dissimilarities])
    block = max(1, GATHERED // dissimilarities.shape[1])
    group: list[float] = []
    with ThreadPoolExecutor(THREADS) as pool:  # a draw's work is its own: any number of threads, one result
        for start in range(0, draws, block):
            means = times[start : start + block] @ dissimilarities / people
            group += pool.map(lambda mean: float(prepared.of(ranks(mean))), means)
        bounds = _ceilings(own, times, pool) if ceiling else np.full((2, draws), np.nan)
    return ParticipantDraws((times @ prepared.of(own)) / people, np.array(group), *bounds)


def _ceilings(own: np.ndarray, times: np.ndarray, pool: Executor) -> np.ndarray:
    """(2, draws): lower and upper Spearman ceilings of draws `times` (draws, people) of ranks `own` (people, pairs)."""
    doubled = np.rint(2 * own).astype(np.int32)  # ranks are halves: their sums are exact as whole numbers
    units = own - (own.shape[1] + 1) / 2
    units /= np.sqrt(np.einsum("ij,ij->i", units, units))[:, None]
    shift = max(0, int(2 * doubled.size).bit_length() - BINS.bit_length() + 1)
    return np.array(list(pool.map(lambda counts: _ceiling(doubled, units, counts, shift), times))).T


def _ceiling(doubled: np.ndarray, units: np.ndarray, counts: np.ndarray, shift: int) -> tuple[float, float]:
    """Lower and upper ceiling of one draw, which takes each person `counts` times."""
    there = np.flatnonzero(counts)
    total = np.zeros(doubled.shape[1], dtype=np.int32)
    for person in there:
        total += np.int32(counts[person]) * doubled[person]
    pooled = _unit_ranks(total >> shift)
    upper = float(np.mean([units[person] @ pooled for person in there]))
    if len(there) < 2:
        return float("nan"), upper
    others = (_unit_ranks((total - np.int32(counts[person]) * doubled[person]) >> shift) for person in there)
    return float(np.mean([units[person] @ rest for person, rest in zip(there, others, strict=True)])), upper


def _unit_ranks(numbers: np.ndarray) -> np.ndarray:
    """The ranks of whole numbers, not negative, centred and of length 1: `recount`, with the arithmetic done once a
    number and not once a pair."""
    places = numbers.astype(np.intp)
    counts = np.bincount(places)
    table = np.cumsum(counts) - (counts - 1) * 0.5
    table -= (len(places) + 1) / 2
    with np.errstate(invalid="ignore"):
        table /= np.sqrt((counts * table) @ table)
    return np.take(table, places, mode="clip")
