"""Metrics of yes/no answers from confusion counts: each is a function of a table (gold label x predicted label).

With n items of one concept, r_k of gold label k, c_k answered k and t_k both:

    accuracy     = sum_k t_k / n
    F1(k)        = 2 t_k / (r_k + c_k), 0 where the denominator is 0
    macro-F1     = mean of F1(k) over the labels that occur in gold or prediction
    weighted-F1  = sum_k r_k / n * F1(k)

A concept without a positive and without a false "Yes" has a macro-F1 of 1; with a single false "Yes" at most 0.5.
The published tables of Xu et al. (ACL 2026) give macro- and weighted-F1 under one name; here each has its own.  Pooled
values take the items of all concepts as one table; means over concepts are unweighted.

Labels are compared as they are spelled ("Yes" is not "yes"); any number of labels may occur.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from probing_vlp.errors import UserError

POSITIVE = ("yes", "y", "true", "1", "1.0", "positive")
"""Spellings, in small letters, of the label that means that the concept is there."""


@dataclass(frozen=True)
class Counts:
    """How often each gold label was answered by each label, a table a row of `keys`."""

    keys: pd.DataFrame
    """(R) rows of text: what was counted apart, sorted."""
    confusion: np.ndarray
    """(R, L, L) int64: gold label, predicted label."""
    labels: tuple[str, ...]
    """The L labels of gold and prediction, sorted."""

    def where(self, mask: "pd.Series | np.ndarray") -> "Counts":
        """The rows for which `mask` (R) is true."""
        chosen = np.asarray(mask, bool)
        return Counts(self.keys[chosen].reset_index(drop=True), self.confusion[chosen], self.labels)

    def pooled(self, by: Sequence[str]) -> "Counts":
        """The sums of the rows that agree in the columns `by`."""
        keys, place = _groups(self.keys, list(by))
        confusion = np.zeros((len(keys), *self.confusion.shape[1:]), np.int64)
        np.add.at(confusion, place, self.confusion)
        return Counts(keys, confusion, self.labels)


def count(frame: pd.DataFrame, by: Sequence[str]) -> Counts:
    """Count a frame of items once, apart for each combination of the columns `by` that occurs."""
    by = list(by)
    sizes = frame.groupby([*by, "gold", "prediction"], observed=True, sort=False).size().rename("size").reset_index()
    sizes = sizes.astype(dict.fromkeys([*by, "gold", "prediction"], str))
    labels = sorted({*sizes["gold"], *sizes["prediction"]})
    keys, place = _groups(sizes, by)
    confusion = np.zeros((len(keys), len(labels), len(labels)), np.int64)
    gold, said = (pd.Categorical(sizes[name], labels).codes for name in ("gold", "prediction"))
    confusion[place, gold, said] = sizes["size"]
    return Counts(keys, confusion, tuple(labels))


def _groups(frame: pd.DataFrame, by: list[str]) -> tuple[pd.DataFrame, np.ndarray]:
    """The combinations of the columns `by`, sorted, and for each row of the frame which of them it has."""
    if not by:
        return pd.DataFrame(index=[0]), np.zeros(len(frame), int)
    grouped = frame.groupby(by, sort=True)
    keys = frame[by].drop_duplicates().sort_values(by).reset_index(drop=True)
    return keys, grouped.ngroup().to_numpy()


def accuracy(confusion: np.ndarray) -> np.ndarray:
    """(..., L, L) -> (...): share of right answers; NaN without items."""
    return _ratio(np.trace(confusion, axis1=-2, axis2=-1), confusion.sum((-2, -1)), np.nan)


def f1(confusion: np.ndarray) -> np.ndarray:
    """(..., L, L) -> (..., L): F1 of each label, 0 where it occurs neither in gold nor in prediction."""
    right = np.diagonal(confusion, axis1=-2, axis2=-1)
    return _ratio(2 * right, confusion.sum(-1) + confusion.sum(-2), 0.0)


def macro_f1(confusion: np.ndarray) -> np.ndarray:
    """(..., L, L) -> (...): mean F1 of the labels that occur in gold or prediction; NaN without items."""
    occurs = confusion.sum(-1) + confusion.sum(-2) > 0
    return _ratio(f1(confusion).sum(-1), occurs.sum(-1), np.nan)


def weighted_f1(confusion: np.ndarray) -> np.ndarray:
    """(..., L, L) -> (...): F1 of the labels, weighted by their share of gold; NaN without items."""
    gold = confusion.sum(-1)
    return _ratio((gold * f1(confusion)).sum(-1), gold.sum(-1), np.nan)


def _ratio(top: np.ndarray, bottom: np.ndarray, empty: float) -> np.ndarray:
    top, bottom = np.broadcast_arrays(np.asarray(top, float), np.asarray(bottom, float))
    return np.divide(top, bottom, out=np.full(top.shape, empty), where=bottom > 0)


def positive_labels(labels: Sequence[str], named: str = "") -> list[str]:
    """The labels that mean that the concept is there: `named`, or those of the usual spellings.

    UserError if no label of the file is spelled like `named`.
    """
    if named and named not in labels:
        raise UserError(f"--positive {named}: no such label; the file has {', '.join(map(repr, labels))}")
    return [named] if named else [label for label in labels if label.strip().lower() in POSITIVE]


def alike(labels: Sequence[str]) -> list[str]:
    """Labels that differ in nothing but letter case and blanks, which are counted as different answers."""
    folded = [label.strip().lower() for label in labels]
    return [label for label, key in zip(labels, folded, strict=True) if folded.count(key) > 1]
