"""Noise ceilings: how well the best possible model could do against participants who differ.

As rsatoolbox's `boot_noise_ceiling`.  The participants' matrices are made comparable (ranks for spearman and rho-a,
z-scores for corr, unit length for cosine) and averaged, which gives the matrix that correlates best with them.
upper: mean over participants of the correlation with the average of all: too high, since each is in the average.
lower: mean over participants of the correlation with the average of the others: too low, since those are fewer.
Source: Nili et al. 2014, PLoS Comput. Biol. 10(4), e1003553.
"""

from typing import NamedTuple

import numpy as np

from probing_vlp.errors import UserError
from probing_vlp.similarity.distances.measures import ranks

METHODS = ("spearman", "rho-a", "corr", "cosine")


class Ceiling(NamedTuple):
    """Between these a model is as good as the participants' agreement lets it be."""

    lower: float
    upper: float
    method: str
    n_participants: int


def noise_ceiling(dissimilarities: np.ndarray, method: str = "spearman", source: str = "") -> Ceiling:
    """The ceiling of participants (participants, pairs); UserError for fewer than two, or no differences."""
    check_participants(len(dissimilarities), source)
    if method not in METHODS:
        raise UserError(f"unknown method '{method}' of a noise ceiling; known: {', '.join(METHODS)}")
    if method in ("spearman", "rho-a"):
        lower, upper = _ranked(dissimilarities, method)
    else:
        lower, upper = _linear(dissimilarities, method)
    if not np.isfinite([lower, upper]).all():
        raise UserError(f"{source or 'participants'}: one has only equal distances, so that there is no noise ceiling")
    return Ceiling(float(lower), float(upper), method, len(dissimilarities))


def check_participants(n: int, source: str = "") -> None:
    """UserError for fewer than two participants."""
    if n < 2:
        raise UserError(
            f"{source or 'the target'}: {n} participant, a noise ceiling needs two or more; "
            "give a stack (npz `rdm` with participants in front) or a folder of matrices"
        )


def _ranked(dissimilarities: np.ndarray, method: str) -> tuple[float, float]:
    own = np.stack([ranks(each) for each in dissimilarities])
    n = own.shape[1]
    middle = (n + 1) / 2
    total = own.sum(axis=0)  # sums of ranks are exact, so that ties of the average stay ties
    pooled = ranks(total) - middle
    lower: list[float] = []
    upper: list[float] = []
    with np.errstate(invalid="ignore", divide="ignore"):
        for each in own:
            centred, others = each - middle, ranks(total - each) - middle
            for found, average in ((lower, others), (upper, pooled)):
                lengths = np.sqrt((centred @ centred) * (average @ average))
                found.append(centred @ average / ((n**3 - n) / 12 if method == "rho-a" else lengths))
    return float(np.mean(lower)), float(np.mean(upper))


def _linear(dissimilarities: np.ndarray, method: str) -> tuple[float, float]:
    """For corr and cosine the scalar products of the participants say it all."""
    rows = dissimilarities - dissimilarities.mean(axis=1, keepdims=True) if method == "corr" else dissimilarities
    with np.errstate(invalid="ignore", divide="ignore"):
        units = rows / np.sqrt((rows**2).sum(axis=1, keepdims=True))
        products = units @ units.T
        with_all, whole = products.sum(axis=1), products.sum()
        rest = np.sqrt(whole - 2 * with_all + np.diagonal(products))
        return float(np.mean((with_all - np.diagonal(products)) / rest)), float(np.mean(with_all / np.sqrt(whole)))
