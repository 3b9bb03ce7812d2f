"""Estimates of a verification from its pairs: score, change, wins, ceiling, and contrasts of two experiments.

    change    mean of score(constructed) - score(original) over images, paired
    wins      share of images whose constructed caption scores higher; a tie counts half, and scores no further apart
              than 32-bit arithmetic tells them (TIE) are tied
    ceiling   mean over images of 0.5 for the same bag of words before and after, else 1: what a scorer blind to word
              order could get right at most
    contrast  mean of score(one construction) - score(the other) over the images that have both

An image with a caption that could not be scored, before or after, is left out and counted.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from probing_vlp.experiments.base import same_bag
from probing_vlp.experiments.pairs import Pair
from probing_vlp.stats import Estimate, bootstrap_mean, bootstrap_paired

CONTRASTS = (
    ("others-replaced", "visual-replaced"),
    ("words-7", "words-3"),
)
"""Pairs of experiments that are compared with each other: the paper's first and third finding."""

TIE = 1e-6
"""Absolute, and relative to the larger: what the order of sums leaves of 32-bit scores that are equal."""


class Summary(NamedTuple):
    """What one experiment did to one scorer."""

    original: Estimate
    """Mean score of the captions before the change."""
    score: Estimate
    change: Estimate
    wins: Estimate
    ceiling: float
    """NaN where no pair was scored."""
    unscored: int


def summarise(pairs: Sequence[Pair], scorer: str, generator: np.random.Generator, draws: int = 1000) -> Summary:
    """The estimates of one experiment on one base, for one scorer."""
    before, after = (scores(pairs, scorer, when) for when in ("before", "after"))
    missing = np.isnan(before) | np.isnan(after)
    before, after = before[~missing], after[~missing]
    seeds = generator.spawn(4)
    bags = [0.5 if same_bag(p.original, p.constructed) else 1.0 for p, no in zip(pairs, missing, strict=True) if not no]
    return Summary(
        bootstrap_mean(before, seeds[0], draws),
        bootstrap_mean(after, seeds[1], draws),
        bootstrap_paired(after, before, seeds[2], draws),
        bootstrap_mean(np.where(np.isclose(after, before, TIE, TIE), 0.5, after > before), seeds[3], draws),
        float(np.mean(bags)) if bags else float("nan"),
        int(missing.sum()),
    )


def contrast(
    one: Iterable[Pair], other: Iterable[Pair], scorer: str, generator: np.random.Generator, draws: int = 1000
) -> Estimate:
    """Mean difference of the scores of two constructions, over the images that have both."""
    left, right = ({pair.image_id: pair for pair in pairs} for pairs in (one, other))
    shared = sorted(left.keys() & right.keys())
    after, before = (scores([pairs[key] for key in shared], scorer, "after") for pairs in (left, right))
    return bootstrap_paired(after, before, generator, draws)


def scores(pairs: Sequence[Pair], scorer: str, when: str) -> np.ndarray:
    """(n,) raw scores "before" or "after", NaN where the scorer could not score."""
    found: list[Mapping[str, float | None]] = [getattr(pair, when) for pair in pairs]
    return np.array([np.nan if by_name.get(scorer) is None else by_name[scorer] for by_name in found], float)
