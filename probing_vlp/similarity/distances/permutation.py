"""The Mantel test: what a measure would be if the words of the target meant nothing.

A permutation gives the target's words another order; rows and columns of its matrix move together, so pairs stay as
dependent as they are.  p = (1 + permutations that reach the observed value) / (1 + permutations), the observed order
being one of the equally likely ones.  `greater` counts permuted >= observed, `two-sided` |permuted| >= |observed|.
`greater` is the default because the question is directed: a space that runs against experience does not mirror it.

The words of the target are permuted for every measure, also where controls are removed: model and controls keep their
relation to each other, which is what the measure conditions on, and only the target's link to both is broken.  For the
partial measure this is the permutation of one raw matrix (Legendre 2000, J. Statist. Comput. Simul. 67, 37-73), right
unless the target has a strong tie to the controls and outlying distances besides.

The ranks of a permuted matrix are the permuted ranks, so the ranks are made once; a permutation is then a gather and
a scalar product.
"""

from typing import NamedTuple
from zlib import crc32

import numpy as np

from probing_vlp.errors import UserError
from probing_vlp.similarity.distances.measures import Prepared
from probing_vlp.similarity.distances.rdms import square

ALTERNATIVES = ("greater", "two-sided")
EVEN = 1e-12
"""Differences of a correlation that are rounding: an order that changes nothing reaches the observed value."""


class Mantel(NamedTuple):
    """A measure and how often chance reaches it."""

    value: float
    p_greater: float
    p_two_sided: float
    permutations: int
    null: np.ndarray
    """(permutations,) the measure under each."""

    def p(self, alternative: str) -> float:
        """The p of `greater` or of `two-sided`."""
        check_alternative(alternative)
        return self.p_greater if alternative == "greater" else self.p_two_sided


def mantel(prepared: Prepared, ranks: np.ndarray, n: int, permutations: int, seed: int) -> Mantel:
    """Permute the n words of a target whose pairs have these ranks (pairs,)."""
    value = float(prepared.of(ranks))
    if not permutations:
        return Mantel(value, float("nan"), float("nan"), 0, np.empty(0))
    flat = ranks - (len(ranks) + 1) / 2
    centred = square(flat, n)
    rows = [square(row / 2, n) for row in prepared.rows]  # each pair stands in a square twice
    generator = np.random.default_rng([seed, crc32(b"mantel")])
    products, moved = np.empty((permutations, len(rows))), np.empty((n, n))
    for found in products:
        order = generator.permutation(n)
        np.take(centred[order], order, axis=1, out=moved, mode="clip")  # clip: "raise" would work on a copy
        found[:] = [np.vdot(row, moved) for row in rows]
    null = prepared.value(products, np.full(permutations, flat @ flat))
    return Mantel(value, _p(null, value), _p(np.abs(null), abs(value)), permutations, null)


def check_alternative(alternative: str) -> None:
    """UserError unless it is `greater` or `two-sided`."""
    if alternative not in ALTERNATIVES:
        raise UserError(f"unknown alternative '{alternative}'; known: {', '.join(ALTERNATIVES)}")


def _p(null: np.ndarray, value: float) -> float:
    return (1 + int((null >= value - EVEN).sum())) / (1 + len(null))
