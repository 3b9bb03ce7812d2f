"""Batches for training: a stream of images that is a function of the seed and the step alone.

B images, n captions an image, N = B x n captions image by image, T = words at most + 1.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from probing_vlp.data.vocabulary import Vocabulary


class Batch(NamedTuple):
    """Rows into the split and their captions: images (B,) int64, targets (N, T) int64 zero-padded, lengths (N,) int64.

    `lengths` counts the end of the caption.
    """

    images: np.ndarray
    targets: np.ndarray
    lengths: np.ndarray


class ImageStream:
    """Image rows for ever: one shuffle of the split after another, a batch running over the seam."""

    def __init__(self, count: int, batch_size: int, seed: int) -> None:
        self.count, self.batch_size, self.seed = count, batch_size, seed
        self._order: tuple[int, np.ndarray] = (-1, np.empty(0, np.int64))

    def epoch(self, step: int) -> int:
        """Whole passes over the split before step `step` (counted from 1)."""
        return (step - 1) * self.batch_size // self.count

    def rows(self, step: int) -> np.ndarray:
        """Rows (B,) of step `step`, counted from 1."""
        start = (step - 1) * self.batch_size
        return np.array([self._at(position) for position in range(start, start + self.batch_size)])

    def _at(self, position: int) -> int:
        epoch, offset = divmod(position, self.count)
        if self._order[0] != epoch:
            self._order = epoch, np.random.default_rng([self.seed, epoch]).permutation(self.count)
        return int(self._order[1][offset])


class CaptionTable:
    """The captions of a split as word ids: a flat array and where each caption starts."""

    def __init__(self, captions: Sequence[Sequence[Sequence[str]]], vocabulary: Vocabulary, max_words: int) -> None:
        """`captions[i]`: the token lists of image row i; longer captions are cut after `max_words`."""
        encoded = [[vocabulary.encode(caption[:max_words]) for caption in image] for image in captions]
        self.per_image = np.array([len(image) for image in encoded])
        self.first = np.concatenate([[0], np.cumsum(self.per_image)[:-1]]).astype(np.int64)
        self.targets = np.zeros((int(self.per_image.sum()), max_words + 1), np.int64)
        flat = [caption for image in encoded for caption in image]
        self.lengths = np.array([len(caption) + 1 for caption in flat], np.int64)
        for row, caption in zip(self.targets, flat, strict=True):
            row[: len(caption)] = caption

    def pick(self, images: np.ndarray, per_image: int, generator: np.random.Generator) -> Batch:
        """`per_image` captions of each image: all different where it has enough, else each at least once."""
        rows = []
        for image in images:
            n = self.per_image[image]
            chosen = generator.permutation(n)[:per_image]
            if n < per_image:
                chosen = np.concatenate([chosen, generator.integers(n, size=per_image - n)])
            rows.append(self.first[image] + chosen)
        flat = np.concatenate(rows)
        return Batch(images, self.targets[flat], self.lengths[flat])
