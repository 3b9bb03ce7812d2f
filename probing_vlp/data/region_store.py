"""Regions that were made here, in a folder: N images, R regions at most, D numbers each.

    features.npy     (N, R, D) float16 or float32, zeros where an image has fewer regions
    boxes.npy        (N, R, 4) float32 x1 y1 x2 y2 in pixels
    confidence.npy   (N, R) float32; NaN where what made the regions gives none
    sizes.npy        (N, 3) int32: width, height, regions
    index.json       as for feature vectors, with "regions": R; written last

Filled like feature vectors (`features.FeatureWriter`): a run that was killed goes on where it was.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from probing_vlp.data.features import ARRAY, INDEX, FeatureIndex, FeatureWriter, create_array, map_array, write_rows
from probing_vlp.data.region_file import RegionFile
from probing_vlp.errors import UserError
from probing_vlp.records import Image, Regions

REMEDY = "make it with: python probe.py regions grid --out FOLDER"


@dataclass(frozen=True)
class RegionIndex(FeatureIndex):
    """An index of regions: at most `regions` an image, each of width `dim`."""

    regions: int = 1

    @property
    def row_shape(self) -> tuple[int, ...]:
        """Of an image: (R, D)."""
        return self.regions, self.dim

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Self:
        """The index that `to_json` wrote; KeyError, ValueError or TypeError for anything else."""
        return cls(**(vars(FeatureIndex.from_json(row)) | {"regions": int(row["regions"])}))


@dataclass(frozen=True)
class RegionRows:
    """Regions of some images: `features` (B, R, D), `boxes` (B, R, 4), `confidence` (B, R), `sizes` (B, 3)."""

    features: np.ndarray
    boxes: np.ndarray
    confidence: np.ndarray
    sizes: np.ndarray


def side_arrays(regions: int) -> dict[str, tuple[tuple[int, ...], str]]:
    """Shape of an image's part and type of each array beside the features."""
    return {"boxes": ((regions, 4), "float32"), "confidence": ((regions,), "float32"), "sizes": ((3,), "int32")}


class RegionWriter(FeatureWriter):
    """Fills a folder of regions; what stands beside the features is on disk before them."""

    index: RegionIndex

    def write_regions(self, rows: RegionRows) -> None:
        """Append images; they are on disk when this returns."""
        for name, (shape, dtype) in side_arrays(self.index.regions).items():
            values = np.ascontiguousarray(getattr(rows, name), dtype)
            if values.shape[1:] != shape or len(values) != len(rows.features):
                raise ValueError(f"{name}: {values.shape} for {len(rows.features)} images of {shape}")
            write_rows(self.partial / f"{name}.npy", self.done, values)
        self.write(rows.features)

    def _create(self) -> None:
        for name, (shape, dtype) in side_arrays(self.index.regions).items():
            create_array(self.partial / f"{name}.npy", (len(self.index.image_ids), *shape), dtype)
        super()._create()


class StoredRegions(RegionFile):
    """Regions of a finished folder, read row by row from disk."""

    kind = "grid"

    def __init__(self, path: Path, trust_pickle: bool = False) -> None:
        self.index = RegionIndex.read(path / INDEX)
        count = len(self.index.image_ids)
        self._features = open_array(path / ARRAY, (count, *self.index.row_shape), self.index.dtype)
        self._side = {
            name: open_array(path / f"{name}.npy", (count, *shape), dtype)
            for name, (shape, dtype) in side_arrays(self.index.regions).items()
        }
        super().__init__(path, map(str, self.index.image_ids), trust_pickle)
        self.stored = self.index.dtype

    def find(self, image: Image) -> int | None:
        """The row of an image, by its id alone."""
        return self._row.get(str(image.image_id))

    def describe(self) -> list[str]:
        """What made the regions."""
        return [f"made with: {self.index.backbone}", *(f"{key}: {said}" for key, said in self.index.details.items())]

    def _read(self, row: int, image_id: int) -> Regions:
        width, height, count = (int(number) for number in self._side["sizes"][row])
        features = np.array(self._features[row, :count], np.float32)
        boxes, confidence = (np.array(self._side[name][row, :count]) for name in ("boxes", "confidence"))
        return Regions(image_id, features, boxes, width, height, None if np.isnan(confidence).all() else confidence)


def open_array(path: Path, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """A memory-mapped array of this shape and type; UserError for any other."""
    array = map_array(path)
    if array.shape != shape or array.dtype.name != dtype:
        raise UserError(f"{path}: holds {array.dtype} {array.shape}, but {INDEX} says {dtype} {shape}; {REMEDY}")
    return array
