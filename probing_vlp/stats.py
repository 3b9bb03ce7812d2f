"""Interval estimates for means and ratios: pure numpy, the generator passed in.

All intervals are percentile bootstrap intervals over images, which are the independent units here.
"""

from typing import NamedTuple

import numpy as np


class Estimate(NamedTuple):
    """A value with its interval and the number of units behind it."""

    value: float
    low: float
    high: float
    n: int


def bootstrap_mean(
    values: np.ndarray, generator: np.random.Generator, draws: int = 1000, level: float = 0.95
) -> Estimate:
    """Mean of `values` (n,) with a percentile bootstrap interval; NaN entries are left out and not counted in n.

    No values give NaN and n = 0; one value gives a NaN interval.
    """
    return bootstrap_ratio(values, np.ones_like(values, dtype=float), generator, draws, level)


def bootstrap_ratio(
    numerators: np.ndarray,
    denominators: np.ndarray,
    generator: np.random.Generator,
    draws: int = 1000,
    level: float = 0.95,
) -> Estimate:
    """sum(numerators) / sum(denominators), both (n,), resampling units: for per-token means and such."""
    top, bottom = np.asarray(numerators, float), np.asarray(denominators, float)
    keep = ~(np.isnan(top) | np.isnan(bottom))
    top, bottom = top[keep], bottom[keep]
    n = len(top)
    if n == 0 or bottom.sum() == 0:
        return Estimate(float("nan"), float("nan"), float("nan"), n)
    value = float(top.sum() / bottom.sum())
    if n == 1:
        return Estimate(value, float("nan"), float("nan"), 1)
    ratios = np.empty(draws)
    for i in range(draws):  # one draw at a time: draws x n would be 40 MB at n = 5,000
        pick = generator.integers(n, size=n)
        ratios[i] = top[pick].sum() / max(bottom[pick].sum(), np.finfo(float).tiny)
    tail = (1 - level) / 2
    low, high = np.quantile(ratios, [tail, 1 - tail])
    return Estimate(value, float(low), float(high), n)


def bootstrap_paired(
    after: np.ndarray, before: np.ndarray, generator: np.random.Generator, draws: int = 1000, level: float = 0.95
) -> Estimate:
    """Mean of after - before over the same units (n,), with its interval; units with a NaN on either side are left
    out."""
    if len(after) != len(before):
        raise ValueError(f"paired samples need the same units: {len(after)} after, {len(before)} before")
    return bootstrap_mean(np.asarray(after, float) - np.asarray(before, float), generator, draws, level)
