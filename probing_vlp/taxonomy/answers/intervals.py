"""Intervals: the paper's, and sound ones.

paper      mean +- t(.975, n - 1) * sd / sqrt(n) over the n (concept x run) values, sd with n - 1.  It takes the values
           of one concept under several seeds for independent, so it is too narrow.
clustered  ours: bootstrap over concepts, all rows of a drawn concept come along; percentiles 2.5 and 97.5.  With fewer
           than some twenty concepts percentile intervals are themselves somewhat narrow: n is always told.
items      for one concept in one run: delta method over its items for F1, Wilson's interval for accuracy.
pearson    Fisher's z.
"""

import math
from collections.abc import Callable
from zlib import crc32

import numpy as np

from probing_vlp.stats import Estimate
from probing_vlp.taxonomy.answers.metrics import f1

DRAWS = 1000
"""Of a bootstrap."""
Z = 1.959963984540054
"""Quantile .975 of the normal distribution."""


def generator(seed: int, *names: object) -> np.random.Generator:
    """Random numbers that depend on the seed and on what they are for, and on nothing else."""
    return np.random.default_rng([seed, crc32("/".join(map(str, names)).encode())])


def paper_interval(values: np.ndarray) -> Estimate:
    """Mean of `values` (n,) with the paper's t interval; NaN values are left out, one value has no interval."""
    from scipy.stats import t

    values = values[~np.isnan(values)]
    n = len(values)
    if n < 2:
        return Estimate(float(values.mean()) if n else math.nan, math.nan, math.nan, n)
    half = float(t.ppf(0.975, n - 1)) * float(values.std(ddof=1)) / math.sqrt(n)
    return Estimate(float(values.mean()), float(values.mean()) - half, float(values.mean()) + half, n)


def weights(clusters: int, random: np.random.Generator, draws: int = DRAWS) -> np.ndarray:
    """(draws, clusters): how often each cluster is drawn when as many are drawn with replacement."""
    if not clusters:
        return np.zeros((draws, 0))
    return random.multinomial(clusters, np.full(clusters, 1 / clusters), size=draws).astype(float)


def clustered_mean(values: np.ndarray, cluster: np.ndarray, random: np.random.Generator) -> Estimate:
    """Mean of `values` (n,), an interval by drawing clusters with all their values; n is that of clusters.

    NaN values are left out; one cluster has no interval.
    """
    keep = ~np.isnan(values)
    _, place = np.unique(np.asarray(cluster)[keep], return_inverse=True)
    sums = np.stack([np.bincount(place, values[keep]), np.bincount(place)], 1)
    return clustered(sums, lambda total: total[..., 0] / total[..., 1], weights(len(sums), random))


def clustered(sums: np.ndarray, statistic: Callable[[np.ndarray], np.ndarray], drawn: np.ndarray) -> Estimate:
    """A statistic of sums over clusters, with its interval; Estimate.n is the number of clusters.

    sums: (C, ...), one row a cluster; drawn: (draws, C) from `weights`.
    statistic: (..., shape of a row) -> (...), of the sum of the drawn rows; NaN where a draw has no value.
    """
    n = len(sums)
    if n == 0:
        return Estimate(math.nan, math.nan, math.nan, 0)
    flat = sums.reshape(n, -1).astype(float)
    value = float(statistic(flat.sum(0).reshape(sums.shape[1:])))
    values = statistic((drawn @ flat).reshape(len(drawn), *sums.shape[1:])) if n > 1 else np.full(1, math.nan)
    if np.isnan(values).all():
        return Estimate(value, math.nan, math.nan, n)
    low, high = np.nanquantile(values, [0.025, 0.975])
    return Estimate(value, float(low), float(high), n)


def wilson(right: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ends of Wilson's 95 % interval of right / n, elementwise; NaN where n is 0."""
    n = np.where(n > 0, n, np.nan).astype(float)
    share = right / n
    middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * np.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    return np.maximum(middle - half, 0), np.minimum(middle + half, 1)


def macro_f1_error(confusion: np.ndarray) -> np.ndarray:
    """(..., L, L) -> (...): standard error of macro-F1 over the items."""
    occurs = confusion.sum(-1) + confusion.sum(-2) > 0
    share = occurs / np.maximum(occurs.sum(-1, keepdims=True), 1)  # (..., L)
    return _error(confusion, np.einsum("...k,...kij->...ij", share, _f1_slopes(confusion)))


def weighted_f1_error(confusion: np.ndarray) -> np.ndarray:
    """(..., L, L) -> (...): standard error of weighted-F1 over the items."""
    n = np.maximum(confusion.sum((-2, -1), keepdims=True), 1)
    gold = confusion.sum(-1) / n[..., 0]
    slopes = np.einsum("...k,...kij->...ij", gold, _f1_slopes(confusion)) + f1(confusion)[..., :, None]
    return _error(confusion, slopes)


def _f1_slopes(confusion: np.ndarray) -> np.ndarray:
    """(..., L, L) -> (..., k, i, j): derivative of F1(k) by the share of items with gold i answered j."""
    n = np.maximum(confusion.sum((-2, -1)), 1)[..., None]
    both = (confusion.sum(-1) + confusion.sum(-2)) / n  # (..., k)
    one = np.eye(confusion.shape[-1])
    hit = 2 * one[:, :, None] * one[:, None, :]  # (k, i, j)
    touched = one[:, :, None] + one[:, None, :]
    slopes = hit - f1(confusion)[..., None, None] * touched
    return slopes / np.where(both > 0, both, np.inf)[..., None, None]


def _error(confusion: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    n = confusion.sum((-2, -1))
    share = confusion / np.maximum(n, 1)[..., None, None]
    mean = (share * slopes).sum((-2, -1))
    variance = (share * slopes**2).sum((-2, -1)) - mean**2
    return np.where(n > 0, np.sqrt(np.maximum(variance, 0) / np.maximum(n, 1)), np.nan)


def pearson(first: np.ndarray, second: np.ndarray) -> Estimate:
    """Pearson's r of two columns (n,) with Fisher's interval; NaN for fewer than three pairs or a constant column."""
    keep = ~(np.isnan(first) | np.isnan(second))
    x, y = first[keep], second[keep]
    n = len(x)
    if n < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return Estimate(math.nan, math.nan, math.nan, n)
    r = float(np.corrcoef(x, y)[0, 1])
    if n == 3 or abs(r) >= 1:
        return Estimate(r, math.nan, math.nan, n)
    half = Z / math.sqrt(n - 3)
    return Estimate(r, math.tanh(math.atanh(r) - half), math.tanh(math.atanh(r) + half), n)
