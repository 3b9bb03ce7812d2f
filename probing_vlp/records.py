"""The nouns of the project: frozen, free of torch and of I/O.

Shapes: D features, R regions.  Pixel coordinates are x1 y1 x2 y2 in pixels of the original image.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

COCO_URL = "http://images.cocodataset.org/{folder}/{file_name}"


@dataclass(frozen=True)
class Image:
    """One image of a data set; `file_name` is its name in the image folder."""

    image_id: int
    file_name: str
    split: str
    license: str = ""
    """Short name of the licence ("CC BY 2.0"), empty where unknown."""
    flickr_url: str = ""
    folder: str = ""
    """Sub-folder of the image root that holds the file ("val2014"), empty where it lies in the root."""

    @property
    def coco_url(self) -> str:
        """Address of the photograph on COCO's server, empty if the name is not one of COCO 2014."""
        return coco_url(self.file_name)


def coco_url(file_name: str) -> str:
    """The COCO address that follows from a COCO 2014 file name; empty for any other name."""
    parts = file_name.split("_")
    if len(parts) == 3 and parts[0] == "COCO" and parts[1] in ("train2014", "val2014", "test2014"):
        return COCO_URL.format(folder=parts[1], file_name=file_name)
    return ""


@dataclass(frozen=True)
class Pixels:
    """An image file, opened by whoever encodes it."""

    image_id: int
    path: Path


@dataclass(frozen=True)
class FeatureVector:
    """A global image feature from a frozen backbone: `vector` (D,) float32."""

    image_id: int
    vector: np.ndarray
    backbone: str


@dataclass(frozen=True)
class Regions:
    """Detected regions: `features` (R, D) float32, `boxes` (R, 4) float32 x1 y1 x2 y2 in pixels.

    A file that holds boxes as shares of the image only (UNITER's) gives an image of 1 x 1 pixels, and beside `boxes`
    the `unit_boxes` (R, 6) as they stand there: x1 y1 x2 y2 w h.
    """

    image_id: int
    features: np.ndarray
    boxes: np.ndarray
    width: int
    height: int
    confidence: np.ndarray | None = None
    unit_boxes: np.ndarray | None = None


@dataclass(frozen=True)
class References:
    """The human captions of an image, as raw text."""

    image_id: int
    captions: tuple[str, ...]


@dataclass(frozen=True)
class CaptionRecord:
    """One line of a caption dump."""

    image_id: int
    caption: str
    file_name: str = ""
    tokens: tuple[str, ...] = ()
    logprob: float | None = None
    """Sum of the log-probabilities of the tokens and of the end, in nats."""
    scores: Mapping[str, float | None] = field(default_factory=dict)
    """Raw matching scores by scorer name; None where the scorer could not score."""
