"""Bootstrap intervals of many ratios of sums at once: images are drawn once and serve every ratio.

A table (images, k) holds the sums of k columns over the captions of each image, so an image with several captions is
drawn as one.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from analysis.ratios import CAPTIONS, Ratio
from probing_vlp.stats import Estimate, bootstrap_ratios, divide, quantiles, resampled


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
    tops, bottoms = np.split(_table(ratios, sums), 2, axis=1)
    return bootstrap_ratios(tops, bottoms, generator, draws)


def changes(
    ratios: Mapping[str, Ratio], after: Sums, before: Sums, generator: np.random.Generator, draws: int
) -> list[Estimate]:
    """Ratio after - ratio before over the images that both have, drawn in pairs."""
    shared = np.intersect1d(after.images, before.images)
    table = np.hstack([_table(ratios, take(part, shared)) for part in (after, before)])

    def difference(sums: np.ndarray) -> np.ndarray:
        return np.asarray(np.subtract(*map(divide, np.split(sums, 2, axis=-1))))

    return quantiles(difference(table.sum(0)), difference(resampled(table, generator, draws)), len(table))


def _table(ratios: Mapping[str, Ratio], sums: Sums) -> np.ndarray:
    """(m, 2k): the tops of all ratios, then their bottoms."""
    names = [ratio.top for ratio in ratios.values()] + [ratio.bottom for ratio in ratios.values()]
    return np.stack([sums.columns[name] for name in names], axis=1)
