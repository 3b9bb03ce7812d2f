"""How alike two distance matrices are: five measures, each under its own name.

A is the model, B the target, C the controls; r(x) are ranks over the pairs of words, ties sharing their mean.

spearman     Pearson correlation of r(A) and r(B): scipy's `spearmanr`.
rho-a        Spearman where ties are broken at random, in expectation: 12 sum((r(A) - m)(r(B) - m)) / (n^3 - n), with m
             the mean rank and n the pairs; for models that say of many pairs that they are equally far apart.
residual     the paper's "partial correlation" (Bavaresco & Fernández 2025): least squares with intercept of A on C, on
             the raw distances; Spearman of what is left of A with B.  B keeps its share of C, and a linear step is
             followed by a rank step.
semipartial  ranks, controls removed from A only: Pearson of r(B) with what r(A) keeps after least squares on r(C).
partial      ranks, controls removed from both: for one control (r_ab - r_ac r_bc) / sqrt((1 - r_ac^2)(1 - r_bc^2)), for
             several the same by least squares, which is the inverse of the matrix of rank correlations.

All five depend on B through its ranks alone, and all but the partial are one scalar product: `prepare` does once what
depends on A and C, `Prepared.of` scores any number of targets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from probing_vlp.errors import UserError

MEASURES = {
    "spearman": "Spearman correlation of the distances of A and B",
    "rho-a": "Spearman correlation of A and B, ties broken at random in expectation",
    "residual": "least squares of A on the controls (raw distances, intercept), Spearman of the residuals with B",
    "semipartial": "ranks; controls removed from A only",
    "partial": "ranks; controls removed from A and from B",
}
CONTROLLED = ("residual", "semipartial", "partial")
NOTHING = 1e-8
"""What is left, as a part of what was there, below which it is rounding."""
CANCELLED = 1e-12
"""The same for a squared length that is found by subtraction."""
Ranking = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Prepared:
    """A and the controls of a measure, ready to be scored against targets.

    rows: (1 + controls of a partial, pairs); every row sums to 0, the first is the model's, the others are an
    orthonormal basis of the ranks of the controls.
    """

    measure: str
    rows: np.ndarray

    def of(self, ranks: np.ndarray) -> np.ndarray:
        """The measure (...,) for ranks of targets (..., pairs); NaN where a target has no differences."""
        centred = ranks - (ranks.shape[-1] + 1) / 2
        return self.value(centred @ self.rows.T, np.einsum("...i,...i", centred, centred))

    def value(self, products: np.ndarray, squares: np.ndarray) -> np.ndarray:
        """The measure from products (..., rows) of the rows and the centred ranks of B, and their squared length."""
        if self.measure == "rho-a":
            return np.where(squares > 0, products[..., 0], np.nan)
        left = squares - (products[..., 1:] ** 2).sum(axis=-1)
        with np.errstate(invalid="ignore", divide="ignore"):
            found = products[..., 0] / np.sqrt(np.where(left > CANCELLED * squares, left, np.nan))
        return np.clip(found, -1, 1)


def prepare(
    measure: str,
    model: np.ndarray,
    controls: Sequence[np.ndarray] = (),
    rank: Ranking | None = None,
    names: Sequence[str] = (),
) -> Prepared:
    """A (pairs,) and controls, each (pairs,), for a measure; `rank` for distances that are codes (see `recount`).

    UserError for an unknown measure, for controls that are missing or not used, for distances that are all the same,
    and when the controls leave nothing of the model.  `names` are of the model and of the controls, for messages.
    """
    rank = rank or ranks
    check_measure(measure, len(controls))
    called = [*names, *("the model", *(f"control {i}" for i in range(1, len(controls) + 1)))[len(names) :]]
    for name, distances in zip(called, (model, *controls), strict=True):
        if distances.size == 0 or (distances == distances[0]).all():
            raise UserError(f"{name}: all distances are the same, so that nothing correlates with them")
    if measure == "residual":
        left = rank(_remove(_centred(model), _basis(controls), called[0])) if rank is ranks else _no_codes()
        return Prepared(measure, _unit(_centred(left))[None])
    own = _centred(rank(model))
    if measure == "rho-a":
        n = len(own)
        return Prepared(measure, (own * (12 / (n**3 - n)))[None])
    basis = _basis([rank(each) for each in controls])
    left = _unit(_remove(own, basis, called[0]))
    return Prepared(measure, np.stack([left, *basis] if measure == "partial" else [left]))


def spearman(model: np.ndarray, target: np.ndarray) -> float:
    """Spearman correlation of two condensed matrices (pairs,)."""
    return score("spearman", model, target)


def rho_a(model: np.ndarray, target: np.ndarray) -> float:
    """Spearman correlation with ties broken at random, in expectation."""
    return score("rho-a", model, target)


def residual_spearman(model: np.ndarray, target: np.ndarray, *controls: np.ndarray) -> float:
    """The paper's measure: Spearman of the target and what least squares on raw controls leaves of the model."""
    return score("residual", model, target, controls)


def semipartial_spearman(model: np.ndarray, target: np.ndarray, *controls: np.ndarray) -> float:
    """Correlation of the target's ranks with what the controls' ranks leave of the model's ranks."""
    return score("semipartial", model, target, controls)


def partial_spearman(model: np.ndarray, target: np.ndarray, *controls: np.ndarray) -> float:
    """Correlation of what the controls' ranks leave of the model's ranks and of the target's."""
    return score("partial", model, target, controls)


def score(measure: str, model: np.ndarray, target: np.ndarray, controls: Sequence[np.ndarray] = ()) -> float:
    """Any of `MEASURES` for condensed matrices (pairs,)."""
    return float(prepare(measure, model, controls).of(ranks(target)))


def check_measure(measure: str, controls: int) -> None:
    """UserError for a measure that is not known, or that does not go with this number of controls."""
    if measure not in MEASURES:
        raise UserError(f"unknown measure '{measure}'; known: {', '.join(MEASURES)}")
    if measure in CONTROLLED and not controls:
        raise UserError(f"measure {measure}: needs a control (--control FILE)")
    if measure not in CONTROLLED and controls:
        raise UserError(f"measure {measure}: uses no controls; take one of {', '.join(CONTROLLED)}")


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks (n,) float64 from 1, ties sharing their mean, as scipy's `rankdata`."""
    order = np.argsort(values)
    inverse = np.empty(len(values))
    starts, counts = _runs(values[order])
    inverse[order] = np.repeat(starts + (counts + 1) / 2, counts)
    return inverse


def codes(values: np.ndarray) -> np.ndarray:
    """Whole numbers from 0 in the order of the values, ties alike: what `recount` ranks without sorting."""
    order = np.argsort(values)
    found = np.empty(len(values), dtype=np.int64)
    counts = _runs(values[order])[1]
    found[order] = np.repeat(np.arange(len(counts)), counts)
    return found


def recount(some: np.ndarray) -> np.ndarray:
    """`ranks` of codes (n,), or of a part of them, by counting: several times as fast as sorting."""
    counts = np.bincount(some)
    return (np.cumsum(counts) - (counts - 1) / 2)[some]


def _runs(ordered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where equal numbers begin, and how many they are."""
    new = np.ones(len(ordered), dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    starts = np.flatnonzero(new)
    return starts, np.diff(starts, append=len(ordered))


def _no_codes() -> np.ndarray:
    raise ValueError("the residual measure needs the distances, not codes of them")


def _basis(vectors: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Orthonormal vectors that span the centred ones; one that adds nothing to those before it is left out."""
    basis: list[np.ndarray] = []
    for vector in vectors:
        unit = _unit(_centred(vector))
        left = _less(_less(unit, basis), basis)  # twice: as exact as the first subtraction is not
        if np.sqrt(left @ left) > NOTHING:
            basis.append(_unit(left))
    return basis


def _remove(vector: np.ndarray, basis: Sequence[np.ndarray], name: str) -> np.ndarray:
    left = _less(_less(vector, basis), basis)
    if left @ left <= NOTHING**2 * (vector @ vector):
        raise UserError(f"{name}: is a sum of multiples of the controls, so that nothing of it is left")
    return left


def _less(vector: np.ndarray, basis: Sequence[np.ndarray]) -> np.ndarray:
    for unit in basis:  # number by number, so that pairs that are tied in all matrices stay tied
        vector = vector - (unit @ vector) * unit
    return vector


def _centred(vector: np.ndarray) -> np.ndarray:
    return vector - vector.mean()


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.sqrt(vector @ vector)
