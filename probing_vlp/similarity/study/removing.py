"""What is left of a space when another one is taken out of it: from distances, and from correlations.

The names stand for measures (scoring.py): x is the space, t the target, c the control; "without" exchanges x and c.
"""

import numpy as np

CONTROLLED = ("semipartial", "partial", "semipartial without", "partial without")
"""The last two have the control for a model and the space for a control."""
LEAST = 1e-6
"""Of the variance that must be left: below it a correlation of draws, in float32, is rounding."""


def controlled(x_t: np.ndarray, x_c: np.ndarray, c_t: np.ndarray) -> tuple[np.ndarray, ...]:
    """`CONTROLLED` from correlations of space, target and control; NaN where the one explains the other wholly."""
    of_model, of_control = x_t - x_c * c_t, c_t - x_c * x_t
    free = _free(x_c)
    found = (
        of_model / free,
        of_model / free / _free(c_t),
        of_control / free,
        of_control / free / _free(x_t),
    )
    return tuple(np.clip(each, -1, 1) for each in found)


def left(x: np.ndarray, c: np.ndarray) -> np.ndarray:
    """What least squares on c (pairs,), with intercept, leave of x (pairs,); all of it where c does not vary."""
    centred = c - c.mean()
    length = centred @ centred
    slope = (x @ centred) / length if length else 0.0
    return x - x.mean() - slope * centred


def _free(r: np.ndarray) -> np.ndarray:
    rest = 1 - r**2
    return np.sqrt(np.where(rest > LEAST, rest, np.nan))
