"""What a streaming analysis is made of: columns of numbers, one a caption, and ratios of their sums.

A mean over captions is a ratio over the column CAPTIONS; a share of words one over the column of words; a perplexity a
power of a ratio.  Whoever keeps sums of columns (and of their products, for intervals) can merge shards of a dump
exactly (`sums`); a stored ratio could not be.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from analysis.context import Context
from probing_vlp.pages.results import Row, row
from probing_vlp.stats import Estimate, bootstrap_ratio_change, bootstrap_ratios

CAPTIONS = "captions"
"""The column of ones that every caption has."""


class Ratio(NamedTuple):
    """sum(top) / sum(bottom) over captions: which columns, and what the row says of it."""

    top: str
    bottom: str
    unit: str
    source: str
    note: str = ""
    base: float | None = None
    """The value is base ** (sum / sum) where a base is given."""

    def scaled(self, estimate: Estimate) -> Estimate:
        """The estimate of the plain ratio as the estimate of the value."""
        if self.base is None:
            return estimate
        value, low, high = powers(np.array(estimate[:3]), self.base).tolist()
        return Estimate(value, low, high, estimate.n)


def ratio_rows(
    ratios: Mapping[str, Ratio],
    columns: Mapping[str, np.ndarray],
    model: str,
    context: Context,
    notes: Mapping[str, str] | None = None,
    units: np.ndarray | None = None,
) -> list[Row]:
    """A row for each ratio, with a bootstrap interval over captions.  Columns are (n,), CAPTIONS need not be given.

    `notes` by name take the place of the ratios' own.  With `units` (n,), such as image ids, the interval resamples
    units with all their captions; n remains the number of captions.
    """
    full = with_captions(columns)
    estimates: dict[str, Estimate] = {}
    for keep, names in _alike(ratios, full):
        tops, bottoms = (
            np.stack([full[getattr(ratios[name], part)][keep] for name in names], 1) for part in ("top", "bottom")
        )
        if units is not None:
            place = np.unique(units[keep], return_inverse=True)[1]
            tops, bottoms = (summed(table, place) for table in (tops, bottoms))
        # a draw hangs on the seed and the number of units alone, so an interval on nothing else that is measured
        found = bootstrap_ratios(tops, bottoms, context.generator("captions"), context.draws)
        estimates |= {
            name: ratios[name].scaled(estimate._replace(n=int(keep.sum())))
            for name, estimate in zip(names, found, strict=True)
        }
    return [
        row(name, model, estimates[name], ratio.unit, ratio.source, (notes or {}).get(name, ratio.note))
        for name, ratio in ratios.items()
    ]


def _alike(ratios: Mapping[str, Ratio], full: Mapping[str, np.ndarray]) -> Iterator[tuple[np.ndarray, list[str]]]:
    """Ratios that the same captions have numbers for: which captions (n,), and the names."""
    groups: dict[bytes, tuple[np.ndarray, list[str]]] = {}
    for name, ratio in ratios.items():
        keep = ~np.isnan(full[ratio.top] + full[ratio.bottom])
        groups.setdefault(keep.tobytes(), (keep, []))[1].append(name)
    yield from groups.values()


def summed(table: np.ndarray, place: np.ndarray) -> np.ndarray:
    """(u, k): the rows of a table (n, k) added up by the unit of each, 0 to u - 1."""
    size = int(place.max(initial=-1)) + 1
    return np.stack([np.bincount(place, column, size) for column in table.T], 1)


class Side(NamedTuple):
    """One side of a comparison: columns (n,) and the image of each caption (n,)."""

    columns: Mapping[str, np.ndarray]
    images: np.ndarray


def change_rows(
    ratios: Mapping[str, Ratio], after: Side, before: Side, prefix: str, model: str, note: str, context: Context
) -> list[Row]:
    """ "PREFIX:NAME" for each ratio: its value after less its value before, over the images that both sides have.

    The interval resamples images with all the captions that either side has of them; n is the number of images.
    """
    first, second = with_captions(after.columns), with_captions(before.columns)
    rows = []
    for name, ratio in ratios.items():
        units, *now = unit_sums(first[ratio.top], first[ratio.bottom], after.images)
        others, *then = unit_sums(second[ratio.top], second[ratio.bottom], before.images)
        _, here, there = np.intersect1d(units, others, assume_unique=True, return_indices=True)
        estimate = bootstrap_ratio_change(
            (now[0][here], now[1][here]),
            (then[0][there], then[1][there]),
            context.generator(f"{prefix}:{name}"),
            context.draws,
            base=ratio.base,
        )
        rows.append(row(f"{prefix}:{name}", model, estimate, ratio.unit, ratio.source, note))
    return rows


def unit_sums(top: np.ndarray, bottom: np.ndarray, units: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The different units (u,) of captions without NaN, and the sums (u,) of both columns (n,) over each."""
    keep = ~np.isnan(top + bottom)
    names, place = np.unique(units[keep], return_inverse=True)
    size = len(names)
    return names, np.bincount(place, top[keep], size), np.bincount(place, bottom[keep], size)


def totals(ratios: Mapping[str, Ratio], columns: Mapping[str, np.ndarray]) -> dict[str, tuple[float, float]]:
    """(sum of top, sum of bottom) of each ratio."""
    full = with_captions(columns)
    return {name: (float(full[ratio.top].sum()), float(full[ratio.bottom].sum())) for name, ratio in ratios.items()}


def with_captions(columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The columns and CAPTIONS."""
    return {CAPTIONS: np.ones(len(next(iter(columns.values()), ()))), **columns}


def powers(exponents: np.ndarray, base: float) -> np.ndarray:
    """base ** exponents, infinite where that is too large."""
    with np.errstate(over="ignore"):
        found: np.ndarray = base**exponents
    return found


def column(values: Sequence[float]) -> np.ndarray:
    """(n,) float64."""
    return np.asarray(values, float)
