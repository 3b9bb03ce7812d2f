"""Folders of npz files, one an image.

ROSITA   NAME.jpg.npz      x (R, D) float32, boxes (R, 4) pixels, image_h, image_w[, objects_conf (R,), ...];
                           the extractor's later versions write `bbox` for `boxes`
UNITER   name_lower.npz    features (R, D), norm_bb (R, 6) shares of the image, conf (R, 1), all float16
"""

import io
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from probing_vlp.data.region_file import RegionFile, first_line, make_regions, make_unit_regions
from probing_vlp.errors import UserError
from probing_vlp.records import Regions

READ = ("x", "features", "boxes", "bbox", "norm_bb", "conf", "objects_conf", "image_h", "image_w")
"""The arrays that are read; the rest (class names, captions, class probabilities) stays packed."""


class NpzRegions(RegionFile):
    """A folder of npz files, or a single one."""

    def __init__(self, path: Path, trust_pickle: bool = False) -> None:
        self._folder = path if path.is_dir() else path.parent
        names = sorted(each.name for each in path.glob("*.npz")) if path.is_dir() else [path.name]
        super().__init__(path, names, trust_pickle)
        first = self._folder / self._names[0]
        found = unpack(first, str(first))
        self.kind = f"{npz_layout(found, str(first))} npz"
        self.stored = str(found["features" if "features" in found else "x"].dtype)
        self.boxes_in = "shares" if self.kind == "UNITER npz" else "pixels"

    def _where(self, row: int) -> str:
        return str(self._folder / self._names[row])

    def _read(self, row: int, image_id: int) -> Regions:
        where = self._where(row)
        return regions_of(unpack(self._folder / self._names[row], where), image_id, where)


def unpack(source: Path | bytes, where: str) -> dict[str, np.ndarray]:
    """The arrays of an npz that are read; nothing is unpickled.  UserError for a cut or foreign file."""
    file: Path | BinaryIO = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        with np.load(file, allow_pickle=False) as found:
            return {key: found[key] for key in READ if key in found}
    except (
        OSError,
        ValueError,
        EOFError,
        KeyError,
        AttributeError,
        TypeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise UserError(f"{where}: not a whole npz file of arrays ({first_line(error)}); fetch it again") from None


def npz_layout(found: Mapping[str, Any], where: str) -> str:
    """ "ROSITA" or "UNITER", by the names of the arrays."""
    if {"features", "norm_bb"} <= found.keys():
        return "UNITER"
    if {"x", "image_h", "image_w"} <= found.keys() and ("boxes" in found or "bbox" in found):
        return "ROSITA"
    raise UserError(
        f"{where}: holds {', '.join(found) or 'no array'} of region features; ROSITA's have x, boxes, image_h and "
        "image_w, UNITER's features and norm_bb"
    )


def regions_of(found: Mapping[str, Any], image_id: int, where: str) -> Regions:
    """Regions of either layout."""
    if npz_layout(found, where) == "UNITER":
        return make_unit_regions(image_id, where, found["features"], found["norm_bb"], found.get("conf"))
    boxes = found["boxes"] if "boxes" in found else found["bbox"]
    sizes = found["image_w"], found["image_h"]
    return make_regions(image_id, where, found["x"], boxes, *sizes, found.get("objects_conf"))
