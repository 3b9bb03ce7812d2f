"""What a streaming analysis is made of: columns of numbers, one a caption, and ratios of their sums.

A mean over captions is a ratio over the column CAPTIONS; a share of words one over the column of words.  Whoever keeps
sums of columns (and of their products, for intervals) can merge shards of a dump exactly; a stored ratio could not be.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from analysis.context import Context
from analysis.results import Row, row
from probing_vlp.stats import bootstrap_ratio

CAPTIONS = "captions"
"""The column of ones that every caption has."""


class Ratio(NamedTuple):
    """sum(top) / sum(bottom) over captions: which columns, and what the row says of it."""

    top: str
    bottom: str
    unit: str
    source: str
    note: str = ""


def ratio_rows(
    ratios: Mapping[str, Ratio], columns: Mapping[str, np.ndarray], model: str, context: Context
) -> list[Row]:
    """A row for each ratio, with a bootstrap interval over captions.  Columns are (n,), CAPTIONS need not be given."""
    count = len(next(iter(columns.values())))
    full = {CAPTIONS: np.ones(count), **columns}
    return [
        row(
            name,
            model,
            bootstrap_ratio(full[ratio.top], full[ratio.bottom], context.generator(name), context.draws),
            ratio.unit,
            ratio.source,
            ratio.note,
        )
        for name, ratio in ratios.items()
    ]


def column(values: Sequence[float]) -> np.ndarray:
    """(n,) float64."""
    return np.asarray(values, float)
