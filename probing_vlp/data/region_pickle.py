"""ViLBERT's region features, which are pickles: read by an unpickler that knows numpy arrays and plain values only.

    .npy folder   a pickled dict an image: image_id, image_height, image_width, num_boxes, bbox (R, 4) pixels,
                  features (R, 2048), objects, cls_prob
    LMDB value    a pickled dict: image_id, image_h, image_w, num_boxes, boxes, features

A pickle can run any program when it is loaded.  What asks for more than the names below is refused, unless
`trust_pickle` is given.
"""

import base64
import binascii
import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from probing_vlp.data.region_file import RegionFile, as_array, first_line, make_regions
from probing_vlp.errors import UserError
from probing_vlp.records import Regions

HARMLESS = {
    *((f"numpy.{core}.multiarray", name) for core in ("core", "_core") for name in ("_reconstruct", "scalar")),
    *((f"numpy.{core}.numeric", "_frombuffer") for core in ("core", "_core")),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
    ("collections", "OrderedDict"),
}
"""What arrays and bytes are pickled as, by old and new numpy, in Python 2 and 3."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in HARMLESS:
            raise _Unsafe(f"{module}.{name}")
        return super().find_class(module, name)


class _Unsafe(Exception):
    pass


class NpyRegions(RegionFile):
    """A folder of ViLBERT's .npy files, or a single one."""

    kind = "ViLBERT npy"
    by_id = True

    def __init__(self, path: Path, trust_pickle: bool = False) -> None:
        self._folder = path if path.is_dir() else path.parent
        names = sorted(each.name for each in path.glob("*.npy")) if path.is_dir() else [path.name]
        super().__init__(path, names, trust_pickle)
        self._read(0, 0)  # other .npy files are no region features

    def _where(self, row: int) -> str:
        return str(self._folder / self._names[row])

    def _read(self, row: int, image_id: int) -> Regions:
        where = self._where(row)
        return regions_of(unpack_npy(Path(where), self.trust_pickle), image_id, where)


def unpack_npy(path: Path, trust: bool = False) -> Any:
    """The object in an .npy file that holds a single one; an array of numbers as it is."""
    with open(path, "rb") as file:
        try:
            if np.lib.format.read_magic(file) == (1, 0):
                shape, _, dtype = np.lib.format.read_array_header_1_0(file)
            else:
                shape, _, dtype = np.lib.format.read_array_header_2_0(file)
        except (ValueError, EOFError) as error:
            raise UserError(f"{path}: not a whole .npy file ({first_line(error)}); fetch it again") from None
        if not dtype.hasobject:
            return np.empty(shape, dtype) if 0 in shape else np.lib.format.open_memmap(path, "r")
        found = unpickle(file.read(), str(path), trust)
    return found.item() if isinstance(found, np.ndarray) and found.size == 1 else found


def unpickle(data: bytes, where: str, trust: bool = False) -> Any:
    """The value of a pickle; UserError if it is cut, or if it holds more than arrays and plain values."""
    try:  # latin1: what Python 2 wrote
        if trust:
            return pickle.loads(data, encoding="latin1")
        return _Unpickler(io.BytesIO(data), encoding="latin1").load()
    except _Unsafe as error:
        raise UserError(
            f"{where}: a pickle that asks for {error}, which may run a program when loaded; if you trust its source "
            "give --trust-pickle (option trust_pickle)"
        ) from None
    except Exception as error:  # on damaged bytes the unpickler raises anything
        raise UserError(f"{where}: not a whole pickle ({first_line(error)}); fetch it again") from None


def regions_of(item: Any, image_id: int, where: str) -> Regions:
    """Regions of ViLBERT's dict, with the names of the .npy files or of the LMDB."""
    if not isinstance(item, Mapping):
        raise UserError(
            f"{where}: holds {type(item).__name__}, not a dict of ViLBERT's; give its .npy files or its LMDB"
        )
    got = {}
    for names in (("features",), ("boxes", "bbox"), ("image_w", "image_width"), ("image_h", "image_height")):
        got[names[0]] = next((item[name] for name in names if name in item), None)
        if got[names[0]] is None:
            raise UserError(f"{where}: has no {' nor '.join(names)}, but {', '.join(map(str, item))}; extract it again")
    boxes, features = (_array(got[key], key, where) for key in ("boxes", "features"))
    boxes = boxes.reshape(-1, 4) if boxes.ndim == 1 and not boxes.size % 4 else boxes
    if features.ndim == 1 and boxes.ndim == 2 and len(boxes) and not features.size % len(boxes):
        features = features.reshape(len(boxes), -1)
    return make_regions(image_id, where, features, boxes, got["image_w"], got["image_h"])


def _array(value: Any, what: str, where: str) -> np.ndarray:
    """An array, or the float32 numbers that an older writer packed as base64."""
    if not isinstance(value, str | bytes):
        return as_array(value, what, where)
    try:
        return np.frombuffer(base64.b64decode(value, validate=True), np.float32)
    except (binascii.Error, ValueError) as error:
        raise UserError(f"{where}: {what} are not base64 of float32 ({first_line(error)}); fetch it again") from None
