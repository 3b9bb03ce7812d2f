"""Aggregates of a results file: for each group of items every metric and chance line, with n and two intervals.

    accuracy, mean_accuracy                   of all items; mean over units
    macro_f1, weighted_f1                     mean over units (a unit: one concept in one run)
    pooled_macro_f1, pooled_weighted_f1       of all items of a run as one table; mean over runs
    chance_..., pooled_chance_...             the majority line of each; blind_macro_f1 is our own line (chance.py)
    NAME:two-class                            without concepts that have a single gold label, where there are any
    NAME:never-trained                        of held-out hypernyms, those that had no positive in training at all

low, high: bootstrap clustered by concept.  paper_low, paper_high: the paper's t interval (intervals.py).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from probing_vlp.stats import Estimate
from probing_vlp.taxonomy.answers import chance, metrics
from probing_vlp.taxonomy.answers.intervals import clustered, generator, paper_interval, weights
from probing_vlp.taxonomy.answers.metrics import Counts
from probing_vlp.taxonomy.answers.outcomes import never_trained

UNIT_METRICS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "mean_accuracy": metrics.accuracy,
    "macro_f1": metrics.macro_f1,
    "weighted_f1": metrics.weighted_f1,
    "chance_macro_f1": chance.majority_macro_f1,
    "chance_weighted_f1": chance.majority_weighted_f1,
    "blind_macro_f1": chance.blind_macro_f1,
}
POOLED = {
    "pooled_macro_f1": metrics.macro_f1,
    "pooled_weighted_f1": metrics.weighted_f1,
    "pooled_chance_macro_f1": chance.majority_macro_f1,
    "pooled_chance_weighted_f1": chance.majority_weighted_f1,
}


class Aggregate(NamedTuple):
    """One metric of one group."""

    group: tuple[str, ...]
    """Values of the columns that were measured apart."""
    metric: str
    value: float
    low: float
    high: float
    paper_low: float
    paper_high: float
    n: int
    unit: str
    """What n counts: items, concept x run, or runs."""
    concepts: int
    """How many concepts are behind it: the clusters of the bootstrap."""


def aggregate(counts: Counts, by: Sequence[str], positive: Sequence[str], seed: int = 1) -> list[Aggregate]:
    """All metrics of every group; `counts` from `outcomes.count_units(frame, by)`."""
    removed = never_trained(counts, positive) if "test" in by else np.zeros(len(counts.keys), bool)
    both = ~chance.single_class(counts.confusion)
    rows: list[Aggregate] = []
    for group, mask in _groups(counts.keys, list(by)):
        rows += _metrics(group, counts.where(mask), seed)
        for name, chosen in (("two-class", both), ("never-trained", removed)):
            if (mask & chosen).any() and not (mask & chosen == mask).all():
                part = counts.where(mask & chosen)
                drawn = weights(part.keys["concept"].nunique(), generator(seed, *group, name))
                rows += _unit_metrics(group, part, drawn, f":{name}")
    return rows


def _groups(keys: pd.DataFrame, by: list[str]) -> Iterator[tuple[tuple[str, ...], np.ndarray]]:
    if not by:
        yield (), np.ones(len(keys), bool)
        return
    for group, rows in keys.groupby(by, sort=True).indices.items():
        mask = np.zeros(len(keys), bool)
        mask[rows] = True
        yield tuple(map(str, group)) if isinstance(group, tuple) else (str(group),), mask


def _metrics(group: tuple[str, ...], counts: Counts, seed: int) -> list[Aggregate]:
    concept, concepts = pd.factorize(counts.keys["concept"], sort=True)
    rest = [name for name in counts.keys.columns if name != "concept"]
    runs = counts.keys.groupby(rest, sort=True).ngroup().to_numpy() if rest else np.zeros(len(concept), int)
    table = np.zeros((len(concepts), runs.max() + 1, *counts.confusion.shape[1:]))
    np.add.at(table, (concept, runs), counts.confusion)
    drawn = weights(len(concepts), generator(seed, *group))
    right = clustered(table, lambda total: metrics.accuracy(total.sum(-3)), drawn)
    rows = [_row(group, "accuracy", right, None, int(counts.confusion.sum()), "items")]
    rows += _unit_metrics(group, counts, drawn)
    for name, metric in POOLED.items():
        estimate = clustered(table, lambda total, metric=metric: np.nanmean(metric(total), -1), drawn)  # type: ignore[misc]
        rows.append(_row(group, name, estimate, None, int(runs.max()) + 1, "runs"))
    return rows


def _unit_metrics(group: tuple[str, ...], counts: Counts, drawn: np.ndarray, suffix: str = "") -> list[Aggregate]:
    """Means over units; `drawn` (draws, concepts) is how often each draw takes a concept, by name."""
    concept, _ = pd.factorize(counts.keys["concept"], sort=True)
    size = np.bincount(concept)
    rows = []
    for name, metric in UNIT_METRICS.items():
        values = metric(counts.confusion)
        sums = np.stack([np.bincount(concept, values), size], 1)
        estimate = clustered(sums, lambda total: total[..., 0] / total[..., 1], drawn)
        rows.append(_row(group, name + suffix, estimate, paper_interval(values), len(values), "concept x run"))
    return rows


def _row(
    group: tuple[str, ...], metric: str, estimate: Estimate, paper: Estimate | None, n: int, unit: str
) -> Aggregate:
    ends = (np.nan, np.nan) if paper is None else (paper.low, paper.high)
    return Aggregate(group, metric, estimate.value, estimate.low, estimate.high, *ends, n, unit, estimate.n)
