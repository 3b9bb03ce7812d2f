"""A split's images and captions as a region scorer feeds them to its network, and batches of them.

N images, R regions, D features, P numbers a box, B pairs, T tokens.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from probing_vlp.data.captions import CaptionData
from probing_vlp.errors import UserError
from probing_vlp.records import Image, Regions
from probing_vlp.scorers._pairs import RegionScorer

IdLists = list[list[int]]


class Sight(NamedTuple):
    """Regions of images: features (N, R, D), boxes (N, R, P) as the model wants them, whether each is there (N, R)."""

    features: Tensor
    boxes: Tensor
    there: Tensor

    def rows(self, rows: np.ndarray, device: torch.device) -> "Sight":
        """Some of the images."""
        return Sight(*(x[torch.from_numpy(rows)].to(device) for x in self))


class PairTable:
    """The images of a split, what the scorer shows its network of each, and the token ids of its captions.

    Each caption is there twice: as it was written, and in lower case without punctuation, as captioners write.
    """

    def __init__(
        self, scorer: RegionScorer, data: CaptionData, images: Sequence[Image], regions: Sequence[Regions]
    ) -> None:
        """Raises UserError for regions of another width than the scorer's."""
        self.images = images
        self.sight = sight_of(scorer, regions)
        self.written = [[scorer.ids(text) for text in data.captions[image.image_id]] for image in images]
        self.plain = [[scorer.ids(" ".join(words)) for words in data.tokens[image.image_id]] for image in images]

    def draw(self, rows: np.ndarray, word_dropout: float, unknown: int, generator: np.random.Generator) -> IdLists:
        """Ids of one caption of each image, of one form or the other, a share of its words unknown."""
        chosen = []
        for row, number, form in zip(rows, generator.random(len(rows)), generator.random(len(rows)), strict=True):
            captions = (self.written if form < 0.5 else self.plain)[row]
            ids = np.array(captions[int(number * len(captions))])
            gone = generator.random(len(ids)) < word_dropout
            gone[[0, -1]] = False
            chosen.append(np.where(gone, unknown, ids).tolist())
        return chosen


def sight_of(scorer: RegionScorer, regions: Sequence[Regions]) -> Sight:
    """What the scorer shows its network of images; UserError for regions of another width."""
    for image in regions:
        if image.features.shape[1] != scorer.feature_size:
            raise UserError(
                f"image {image.image_id}: region features of width {image.features.shape[1]}, but the first image's "
                f"are {scorer.feature_size} wide; make them all with one backbone"
            )
    inputs = [tuple(torch.from_numpy(np.float32(x)) for x in scorer.inputs(image)) for image in regions]
    features, boxes = (pad_sequence(list(side), batch_first=True) for side in zip(*inputs, strict=True))
    counts = torch.tensor([len(boxes) for _, boxes in inputs])
    return Sight(features, boxes, torch.arange(features.shape[1]) < counts[:, None])


def padded(ids: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """(B, T) ids, zeros behind, and whether each is a word."""
    rows = pad_sequence([torch.tensor(row) for row in ids], batch_first=True)
    lengths = torch.tensor([len(row) for row in ids])
    return rows.to(device), (torch.arange(rows.shape[1]) < lengths[:, None]).to(device)
