"""Bootstrap intervals of many ratios of sums at once: images are drawn once and serve every ratio.

A table (images, k) holds the sums of k columns over the captions of each image, so an image with several captions is
drawn as one.  Each draw is a row of counts, and the sums of all columns a product of matrices.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from analysis.ratios import CAPTIONS, Ratio
from probing_vlp.stats import Estimate

BLOCK = 100
"""Draws in memory at a time: 4 MB for 5,000 images."""


class Sums(NamedTuple):
    """`images` (m,) ids, ascending, and for each column its sums over the captions of each image (m,)."""

    images: np.ndarray
    columns: Mapping[str, np.ndarray]


def sums_by_image(image_ids: Sequence[int], columns: Mapping[str, np.ndarray]) -> Sums:
    """Columns (n,) of captions summed by image; CAPTIONS is added."""
    images, image = np.unique(np.asarray(image_ids, np.int64), return_inverse=True)
    full = {**columns, CAPTIONS: np.ones(len(image))}
    return Sums(images, {name: np.bincount(image, values, len(images)) for name, values in full.items()})


def take(sums: Sums, images: np.ndarray) -> Sums:
    """The part of `sums` on these images, which it has."""
    at = np.searchsorted(sums.images, images)
    return Sums(images, {name: values[at] for name, values in sums.columns.items()})


def estimates(ratios: Mapping[str, Ratio], sums: Sums, generator: np.random.Generator, draws: int) -> list[Estimate]:
    """sum(top) / sum(bottom) of each ratio; NaN where the bottom is zero."""
    table = _table(ratios, sums)
    return _quantiles(_divide(table.sum(0)), _divide(_resampled(table, generator, draws)), len(table))


def changes(
    ratios: Mapping[str, Ratio], after: Sums, before: Sums, generator: np.random.Generator, draws: int
) -> list[Estimate]:
    """Ratio after - ratio before over the images that both have, drawn in pairs."""
    shared = np.intersect1d(after.images, before.images)
    table = np.hstack([_table(ratios, take(part, shared)) for part in (after, before)])

    def difference(sums: np.ndarray) -> np.ndarray:
        return np.asarray(np.subtract(*map(_divide, np.split(sums, 2, axis=-1))))

    return _quantiles(difference(table.sum(0)), difference(_resampled(table, generator, draws)), len(table))


def _table(ratios: Mapping[str, Ratio], sums: Sums) -> np.ndarray:
    """(m, 2k): the tops of all ratios, then their bottoms."""
    names = [ratio.top for ratio in ratios.values()] + [ratio.bottom for ratio in ratios.values()]
    return np.stack([sums.columns[name] for name in names], axis=1)


def _resampled(table: np.ndarray, generator: np.random.Generator, draws: int) -> np.ndarray:
    """(draws, columns): sums of the table's rows, drawn with replacement."""
    n, parts = len(table), []
    for done in range(0, draws, BLOCK):
        size = min(BLOCK, draws - done)
        counts = [np.bincount(generator.integers(n, size=n), minlength=n) for _ in range(size if n else 0)]
        parts.append(np.array(counts, float).reshape(len(counts), n) @ table)
    return np.concatenate(parts)


def _divide(sums: np.ndarray) -> np.ndarray:
    """(..., k) from (..., 2k); NaN where a bottom is zero."""
    tops, bottoms = np.split(sums, 2, axis=-1)
    return np.divide(tops, bottoms, out=np.full(tops.shape, np.nan), where=bottoms > 0)


def _quantiles(values: np.ndarray, drawn: np.ndarray, n: int) -> list[Estimate]:
    ends = np.full((2, len(values)), np.nan)
    if n > 1:
        known = ~np.isnan(drawn).all(0)
        ends[:, known] = np.nanquantile(drawn[:, known], [0.025, 0.975], axis=0)
    return [Estimate(float(value), float(low), float(high), n) for value, low, high in zip(values, *ends, strict=True)]
