"""p values of a family of tests, adjusted: an adjusted p is compared with the level that one test would have.

bonferroni  p times the number of tests (the paper divides the level instead: the same).
holm        step-down Bonferroni: as strict on any true null, and never weaker (Holm 1979).
bh          Benjamini and Hochberg 1995: bounds the share of false finds, not the chance of any.

A report adjusts hundreds of small families; statsmodels' `multipletests`, which collects garbage at each call, would
take minutes for them.  The tests hold these to it.
"""

from collections.abc import Sequence

import numpy as np

from probing_vlp.errors import UserError

METHODS = ("bonferroni", "holm", "bh")


def adjust(p_values: Sequence[float] | np.ndarray, method: str) -> np.ndarray:
    """Adjusted p (n,), from 0 to 1; a NaN stays NaN and is no test of the family."""
    if method not in METHODS:
        raise UserError(f"unknown adjustment '{method}'; known: {', '.join(METHODS)}")
    adjusted = np.asarray(p_values, dtype=np.float64).copy()
    tested = np.isfinite(adjusted)
    if ((adjusted[tested] < 0) | (adjusted[tested] > 1)).any():
        raise UserError("p values must lie between 0 and 1")
    places = np.flatnonzero(tested)[np.argsort(adjusted[tested], kind="stable")]
    p, n = adjusted[places], len(places)
    if method == "bonferroni":
        stepped = p * n
    elif method == "holm":
        stepped = np.maximum.accumulate(p * np.arange(n, 0, -1))
    else:
        stepped = np.minimum.accumulate((p * n / np.arange(1, n + 1))[::-1])[::-1]
    adjusted[places] = np.minimum(stepped, 1)
    return adjusted
