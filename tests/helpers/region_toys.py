"""Toy regions, captions, word pieces and weights that the golden files of the region models were made from.

All numbers follow from seeds through `random_sample` of numpy's RandomState, whose stream is frozen for good, so that a
golden file holds scores alone.
"""

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from probing_vlp.records import Regions

WIDTH = 2048

# Regions; image width and height (some are portraits); how many regions are confident (None: not known).
# The limits in question: 10 at least and 100 at most (UNITER), 36 (ROSITA, LXMERT), 100 (ViLBERT).
IMAGES = (
    (3, 500, 375, None),
    (12, 333, 500, 4),
    (36, 640, 480, None),
    (41, 427, 640, 23),
    (120, 640, 361, 117),
)

CAPTIONS = (
    "a dog on a mat",
    "Two T-shirts lie on a snow-covered bench.",
    'A sign reads "STOP" — the café\'s naïve Ångström façade!',
    "The man's_dog isn't  (really)\there; it's at 3.5% & <half> “speed”…",
    "東京 tower and a 🐕 zyzzyva",
    "...",
    "a " + "hippo" * 30 + " on a mat",
    " ".join(["A young man", *["and a dog on a mat by the snow"] * 12, "at night."]),
)
"""Hyphens, quotes, accents, marks deleted or kept, no space between words, an unknown sign, nothing but marks, a word
of more than 100 letters, a caption of more than 100 pieces."""

_WORDS = """
a A an the The and dog cat mat on at by it is man young two Two lie sign reads STOP stop snow covered bench cafe café
naïve naive Ang ang facade façade tshirts shirts isn t T s tower night half speed really here of 3 5 35 zy 東 京 f i o y
r b ##s ##t ##strom ##ström ##shirts ##dog ##covered ##zz ##y ##va ##e ##m ##a ##n ##r ##i ##o ##l ##d d
. , ; : ! ? ' " - — _ ( ) % & < > … “ ” [ ]
"""
PIECES = ("[PAD]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *dict.fromkeys(_WORDS.split()))


def save_pieces(folder: Path) -> Path:
    """A vocab.txt of PIECES, for cased and lower-case text alike."""
    path = folder / "vocab.txt"
    path.write_text("\n".join(PIECES) + "\n", encoding="utf-8")
    return path


def toy_regions(width: int = WIDTH) -> list[Regions]:
    """An image for each row of IMAGES: features as a detector's, `width` wide; boxes in pixels, inside the image."""
    return [_image(number, width, *row) for number, row in enumerate(IMAGES)]


def _image(number: int, wide: int, count: int, width: int, height: int, confident: int | None) -> Regions:
    random = np.random.RandomState(100 + number)
    features = np.maximum(random.random_sample((count, wide)) * 6 - 2, 0)  # a third are zeros
    first, share = random.random_sample((2, count, 2))
    first *= 0.9
    boxes = np.concatenate([first, first + (0.05 + 0.95 * share) * (1 - first)], 1) * ([width, height] * 2)
    confidence = None
    if confident is not None:
        confidence = np.where(np.arange(count) < confident, 0.9, 0.1).astype(np.float32)
    return Regions(number, features.astype(np.float32), boxes.astype(np.float32), width, height, confidence)


def toy_weights(shapes: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Random float32 weights for a state dict, by name and shape alone; every bias and every LayerNorm matters.

    Word, position and type tables are as small as BERT's, so that LayerNorm's epsilon shows.
    """
    return {name: _weight(name, tuple(like.shape)) for name, like in shapes.items()}


def _weight(name: str, shape: tuple[int, ...]) -> Tensor:
    spread = np.random.RandomState(zlib.crc32(name.encode())).random_sample(shape) * 2 - 1
    if "embeddings.weight" in name:
        values = 0.05 * spread
    elif len(shape) == 1:
        values = 0.3 * spread + ("norm" in name.lower() and name.endswith("weight"))
    else:
        values = 2.0 * spread / np.sqrt(shape[-1])
    return torch.from_numpy(values.astype(np.float32))


def score_all(scorer: Any, images: Sequence[Regions] | None = None) -> Tensor:
    """(images, captions) float64: every toy image (or those given) with every toy caption."""
    images = toy_regions() if images is None else images
    rows = [row for row in range(len(images)) for _ in CAPTIONS]
    return scorer.score(scorer.encode(images).select(rows), CAPTIONS * len(images)).double().view(len(images), -1)
