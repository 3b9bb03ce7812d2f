"""Interval estimates for means and ratios: pure numpy, the generator passed in.

All intervals are percentile bootstrap intervals over images, which are the independent units here.  Units are drawn
once for all quantities of a call: a draw is a row of counts, and the sums of all columns are a product of matrices.
"""

from typing import NamedTuple

import numpy as np

BLOCK = 1 << 19
"""Counts in memory at a time: 4 MB."""


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
    return bootstrap_ratios(top[:, None], bottom[:, None], generator, draws, level)[0]


def bootstrap_ratios(
    numerators: np.ndarray,
    denominators: np.ndarray,
    generator: np.random.Generator,
    draws: int = 1000,
    level: float = 0.95,
) -> list[Estimate]:
    """k ratios of sums, both (n, k) without NaN, over the same units: a draw of units serves all of them.

    A ratio is NaN where its denominators sum to 0, and draws in which they do are left out of its interval; one unit
    gives a NaN interval.
    """
    table = np.hstack([numerators, denominators])
    return quantiles(divide(table.sum(0)), divide(resampled(table, generator, draws)), len(table), level)


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
    table = np.stack([np.asarray(column, float) for column in (after[0], before[0], after[1], before[1])], axis=1)
    shape = (lambda ratio: ratio) if base is None else (lambda ratio: base**ratio)

    def change(sums: np.ndarray) -> np.ndarray:
        now, then = np.moveaxis(shape(divide(sums)), -1, 0)
        return np.asarray(now - then)[..., None]

    with np.errstate(over="ignore"):
        values, drawn = change(table.sum(0)), change(resampled(table, generator, draws))
    return quantiles(values, drawn, len(table), level)[0]


def resampled(table: np.ndarray, generator: np.random.Generator, draws: int) -> np.ndarray:
    """(draws, c): sums of the rows of `table` (n, c) over units drawn with replacement."""
    n = len(table)
    sums = np.zeros((draws, table.shape[1]))
    block = max(1, BLOCK // max(n, 1))
    for start in range(0, draws if n else 0, block):
        size = min(block, draws - start)
        counts = np.array([np.bincount(generator.integers(n, size=n), minlength=n) for _ in range(size)], float)
        sums[start : start + size] = counts @ table
    return sums


def divide(sums: np.ndarray) -> np.ndarray:
    """(..., k) ratios from (..., 2k): the tops of all, then their bottoms; NaN where a bottom is zero."""
    tops, bottoms = np.split(sums, 2, axis=-1)
    return np.divide(tops, bottoms, out=np.full(tops.shape, np.nan), where=bottoms != 0)


def quantiles(values: np.ndarray, drawn: np.ndarray, n: int, level: float = 0.95) -> list[Estimate]:
    """Estimates of `values` (k,) over n units from what was `drawn` (draws, k), NaN left out."""
    ends, tail = np.full((2, len(values)), np.nan), (1 - level) / 2
    known = ~np.isnan(drawn).all(0) & ~np.isnan(values)
    if n > 1 and known.any():
        ends[:, known] = np.nanquantile(drawn[:, known], [tail, 1 - tail], axis=0)
    return [Estimate(float(value), float(low), float(high), n) for value, low, high in zip(values, *ends, strict=True)]
