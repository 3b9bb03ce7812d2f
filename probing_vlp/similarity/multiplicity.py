"""p values of a family of tests, adjusted: an adjusted p is compared with the level that one test would have.

bonferroni  p times the number of tests (the paper divides the level instead: the same).
holm        step-down Bonferroni: as strict on any true null, and never weaker (Holm 1979).
bh          Benjamini and Hochberg 1995: bounds the share of false finds, not the chance of any.
"""

from collections.abc import Sequence

import numpy as np

from probing_vlp.errors import UserError

METHODS = {"bonferroni": "bonferroni", "holm": "holm", "bh": "fdr_bh"}


def adjust(p_values: Sequence[float] | np.ndarray, method: str) -> np.ndarray:
    """Adjusted p (n,), from 0 to 1; a NaN stays NaN and is no test of the family."""
    if method not in METHODS:
        raise UserError(f"unknown adjustment '{method}'; known: {', '.join(METHODS)}")
    adjusted = np.asarray(p_values, dtype=np.float64).copy()
    tested = np.isfinite(adjusted)
    if ((adjusted[tested] < 0) | (adjusted[tested] > 1)).any():
        raise UserError("p values must lie between 0 and 1")
    if tested.any():
        from statsmodels.stats.multitest import multipletests

        adjusted[tested] = multipletests(adjusted[tested], method=METHODS[method])[1]
    return adjusted
