"""Does one model fit a target better than another?  The two correlations share the target, so they are dependent.

Words: the bootstrap of `resampling.word_draws`, both models on the same draws; it treats neither pairs nor models as
independent, and is the test to report for a group matrix.
Participants, where there are two or more: paired t and Wilcoxon on the Fisher z of each participant's correlations.

Closed forms, for reading beside older work.  All take the n of a correlation to be the number of PAIRS of words, but
pairs that share a word are dependent, so their p is too small; and all are made for Pearson, here used on Spearman:
steiger_z       Steiger 1980, Psychol. Bull. 87, 245-251, his Z2* with the mean correlation in the covariance:
                (z1 - z2) sqrt(n - 3) / sqrt(2 - 2 s), m = (r1 + r2) / 2,
                s = (r12 (1 - 2 m^2) - m^2 (1 - 2 m^2 - r12^2) / 2) / (1 - m^2)^2.
meng_z          Meng, Rosenthal & Rubin 1992, Psychol. Bull. 111, 172-175:
                (z1 - z2) sqrt((n - 3) / (2 (1 - r12) h)), h = (1 - f q) / (1 - q), q = (r1^2 + r2^2) / 2,
                f = min(1, (1 - r12) / (2 (1 - q))).
fisher_z_paper  the paper's: (z1 - z2) / sqrt(1.06 / (n - 3)); the two-sample error would be sqrt(2 * 1.06 / (n - 3)),
                and the correlations are taken to be independent.  For parity only.
fisher_z_independent  the same with the two-sample error: for correlations of different targets, or in other words.
"""

from math import atanh, copysign, erfc, inf, nan, sqrt
from typing import NamedTuple

import numpy as np

from probing_vlp.similarity.distances.resampling import Interval, interval


class ZTest(NamedTuple):
    """A normal deviate and its two-sided p."""

    z: float
    p: float


class Paired(NamedTuple):
    """Tests of paired differences over participants, two-sided; NaN where there is nothing to test."""

    n: int
    mean_z_difference: float
    t: float
    p_t: float
    w: float
    p_wilcoxon: float


class Difference(NamedTuple):
    """The measure of one model less that of another, with its interval over words and a two-sided bootstrap p."""

    value: float
    interval: Interval
    p: float


def steiger_z(r1: float, r2: float, r12: float, n: int) -> ZTest:
    """r1, r2: correlations of two models with one target; r12: of the models with each other; n: observations."""
    mean = (r1 + r2) / 2
    covariance = r12 * (1 - 2 * mean**2) - mean**2 * (1 - 2 * mean**2 - r12**2) / 2
    share = covariance / (1 - mean**2) ** 2 if abs(mean) < 1 else nan
    return _test(_z(r1) - _z(r2), 2 * (1 - share) / (n - 3) if n > 3 else nan)


def meng_z(r1: float, r2: float, r12: float, n: int) -> ZTest:
    """As `steiger_z`, after Meng, Rosenthal and Rubin."""
    square = (r1**2 + r2**2) / 2
    if square >= 1 or n <= 3:
        return ZTest(nan, nan)
    f = min(1.0, (1 - r12) / (2 * (1 - square)))
    return _test(_z(r1) - _z(r2), 2 * (1 - r12) * (1 - f * square) / (1 - square) / (n - 3))


def fisher_z_paper(r1: float, r2: float, n: int) -> ZTest:
    """The published test, with the error of one correlation where two are compared."""
    return _test(_z(r1) - _z(r2), 1.06 / (n - 3) if n > 3 else nan)


def fisher_z_independent(r1: float, r2: float, n1: int, n2: int) -> ZTest:
    """Two Spearman correlations that have nothing in common."""
    return _test(_z(r1) - _z(r2), 1.06 / (n1 - 3) + 1.06 / (n2 - 3) if min(n1, n2) > 3 else nan)


def difference(value: float, first: np.ndarray, second: np.ndarray) -> Difference:
    """The difference `value` of two models, from their measures on the same draws of words (draws,) each.

    p = 2 min(1 + draws <= 0, 1 + draws >= 0) / (1 + draws), at most 1.
    """
    drawn = first - second
    kept = drawn[np.isfinite(drawn)]
    if len(kept) < 2:
        return Difference(value, interval(drawn), nan)
    least = 1 + min(int((kept <= 0).sum()), int((kept >= 0).sum()))
    return Difference(value, interval(drawn), min(1.0, 2 * least / (1 + len(kept))))


def paired(first: np.ndarray, second: np.ndarray) -> Paired:
    """Correlations (participants,) of two models with the same participants, compared as Fisher z."""
    with np.errstate(divide="ignore", invalid="ignore"):
        gaps = np.arctanh(first) - np.arctanh(second)
    gaps = gaps[np.isfinite(gaps)]
    if len(gaps) < 2 or not gaps.any():
        return Paired(len(gaps), float(gaps.mean()) if len(gaps) else nan, nan, nan, nan, nan)
    from scipy import stats

    t = stats.ttest_1samp(gaps, 0.0) if np.ptp(gaps) > 0 else None
    w = stats.wilcoxon(gaps)
    return Paired(
        len(gaps),
        float(gaps.mean()),
        float(t.statistic) if t else nan,
        float(t.pvalue) if t else nan,
        float(w.statistic),
        float(w.pvalue),
    )


def _z(r: float) -> float:
    return atanh(r) if abs(r) < 1 else copysign(inf, r)


def _test(gap: float, variance: float) -> ZTest:
    if not np.isfinite(gap) or not variance > 0:
        return ZTest(nan, nan)
    z = gap / sqrt(variance)
    return ZTest(z, erfc(abs(z) / sqrt(2)))
