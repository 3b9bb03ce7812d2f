"""Interval estimates for means and ratios: pure numpy, the generator passed in.

All intervals are percentile bootstrap intervals over images, which are the independent units here.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

BLOCK = 1 << 15
"""Units drawn at a time: their numbers stay in a processor's cache."""


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
    ratios = _drawn_ratio(*_resampled_sums((top, bottom), generator, draws))
    return Estimate(value, *_ends(ratios, level), n)


def bootstrap_paired(
    after: np.ndarray, before: np.ndarray, generator: np.random.Generator, draws: int = 1000, level: float = 0.95
) -> Estimate:
    """Mean of after - before over the same units (n,), with its interval; units with a NaN on either side are left
    out."""
    if len(after) != len(before):
        raise ValueError(f"paired samples need the same units: {len(after)} after, {len(before)} before")
    return bootstrap_mean(np.asarray(after, float) - np.asarray(before, float), generator, draws, level)


def bootstrap_ratio_change(
    after: tuple[np.ndarray, np.ndarray],
    before: tuple[np.ndarray, np.ndarray],
    generator: np.random.Generator,
    draws: int = 1000,
    level: float = 0.95,
    base: float | None = None,
) -> Estimate:
    """The ratio of `after` less that of `before`, each (numerators, denominators) over the same n units.

    A draw takes the same units on both sides.  With a `base`, base ** ratio is compared.  No units, or denominators
    that sum to 0, give NaN; one unit a NaN interval.
    """
    n = len(after[0])
    sums = [np.asarray(column, float).sum() for column in (*after, *before)]
    if n == 0 or 0 in sums[1::2]:
        return Estimate(float("nan"), float("nan"), float("nan"), n)
    shape = (lambda ratio: ratio) if base is None else (lambda ratio: base**ratio)
    with np.errstate(over="ignore"):
        value = float(shape(sums[0] / sums[1]) - shape(sums[2] / sums[3]))
        if n == 1:
            return Estimate(value, float("nan"), float("nan"), 1)
        drawn = _resampled_sums((*after, *before), generator, draws)
        changes = shape(_drawn_ratio(*drawn[:2])) - shape(_drawn_ratio(*drawn[2:]))
    return Estimate(value, *_ends(changes, level), n)


def _resampled_sums(columns: Sequence[np.ndarray], generator: np.random.Generator, draws: int) -> list[np.ndarray]:
    """Sums (draws,) of each column (n,) over units drawn with replacement, the same units for all columns."""
    n = len(columns[0])
    sums = [np.full(draws, float(n)) for _ in columns]  # what a column of ones sums to
    varied = [(kept, column) for kept, column in zip(sums, columns, strict=True) if not (column == 1).all()]
    block = max(1, BLOCK // n)
    for start in range(0, draws, block):
        pick = generator.integers(n, size=(min(block, draws - start), n))
        for kept, column in varied:
            kept[start : start + block] = column[pick].sum(axis=1)
    return sums


def _drawn_ratio(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    return top / np.maximum(bottom, np.finfo(float).tiny)


def _ends(drawn: np.ndarray, level: float) -> tuple[float, float]:
    tail = (1 - level) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return float(low), float(high)
