"""Image features in a folder: N vectors of D numbers in a memory-mapped file, and the index that says whose they are.

    features.npy    (N, D) float16 or float32
    index.json      {"backbone", "dim", "dtype", "image_ids": [N], "file_names": [N], "details": {...}}

`FeatureStore` reads only the rows it is asked for: 113,287 x 2048 never lies in memory whole.  `FeatureWriter` fills
`NAME.partial/` and renames it when it is complete, so a folder `NAME` is whole or not there.  Rows are written in
order; `progress.json` says how many are safely on disk, and a later run goes on from there.
"""

import json
import math
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from probing_vlp.errors import UserError
from probing_vlp.files import atomic_write, make_folder, naming, read_bytes, sweep

INDEX, PLAN, PROGRESS, ARRAY = "index.json", "plan.json", "progress.json", "features.npy"
REMEDY = "make features with: python probe.py features --out FOLDER"


@dataclass(frozen=True)
class FeatureIndex:
    """Whose features these are and what made them; `details` (preprocessing, weights) must agree on --resume too."""

    backbone: str
    dim: int
    dtype: str
    image_ids: tuple[int, ...]
    file_names: tuple[str, ...]
    details: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> bytes:
        """The bytes of index.json: the same features give the same bytes."""
        return (json.dumps(asdict(self), ensure_ascii=False) + "\n").encode()

    @property
    def row_shape(self) -> tuple[int, ...]:
        """Shape of what is stored of an image."""
        return (self.dim,)

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Self:
        """The index that `to_json` wrote; KeyError, ValueError or TypeError for anything else."""
        return cls(
            str(row["backbone"]),
            int(row["dim"]),
            str(row["dtype"]),
            tuple(map(int, row["image_ids"])),
            tuple(row["file_names"]),
            dict(row["details"]),
        )

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read an index; UserError for anything else."""
        try:
            return cls.from_json(json.loads(read_bytes(path, "feature index", REMEDY)))
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path}: not a feature index ({error!r}); {REMEDY}") from None


class FeatureStore:
    """Features of a set of images, read row by row from disk."""

    def __init__(self, path: Path, index: FeatureIndex, array: np.ndarray) -> None:
        self.path, self.index, self._array = path, index, array
        self.dim, self.backbone, self.image_ids = index.dim, index.backbone, index.image_ids
        self._row = {image_id: row for row, image_id in enumerate(index.image_ids)}

    @classmethod
    def open(cls, path: str | Path, dim: int | None = None) -> Self:
        """Map a finished feature folder; UserError if it is unfinished, damaged, or not of width `dim` (None: any)."""
        path = Path(path)
        if not path.exists() and partial_folder(path).exists():
            raise UserError(f"{path}: not finished, {partial_folder(path)} is; run the same command with --resume")
        index = FeatureIndex.read(path / INDEX)
        array = map_array(path / ARRAY)
        expected = (len(index.image_ids), *index.row_shape)
        if array.shape != expected or array.dtype.name != index.dtype:
            raise UserError(
                f"{path / ARRAY}: holds {array.dtype} {array.shape}, but {INDEX} says {index.dtype} "
                f"{expected}; {REMEDY}"
            )
        if dim is not None and dim != index.dim:
            raise UserError(
                f"{path}: {index.backbone} features of width {index.dim}, but width {dim} is needed; give "
                "the features that the model was trained on"
            )
        return cls(path, index, array)

    def __len__(self) -> int:
        return len(self.image_ids)

    def __contains__(self, image_id: int) -> bool:
        return image_id in self._row

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).open, (self.path,)  # a copy in another process maps the file again, and carries no features

    def rows(self, image_ids: Sequence[int]) -> np.ndarray:
        """Features (B, D) float32 of the given images, in their order, repeats allowed.

        UserError naming the images that have none.
        """
        self.check(image_ids)
        return np.asarray(self._array[[self._row[image_id] for image_id in image_ids]], dtype=np.float32)

    def check(self, image_ids: Iterable[int]) -> None:
        """UserError naming the images that have no features."""
        missing = [image_id for image_id in dict.fromkeys(image_ids) if image_id not in self._row]
        if missing:
            some = ", ".join(map(str, missing[:5])) + (", ..." if len(missing) > 5 else "")
            raise UserError(
                f"{self.path}: no features of {len(missing)} image(s): {some}; it holds {len(self)} "
                "images; extract features of the same data"
            )


class FeatureWriter:
    """Rows in order into `NAME.partial/`; `finish` makes it `NAME`.  Killed at any moment, it resumes where it was."""

    def __init__(self, path: Path, index: FeatureIndex, resume: bool = False) -> None:
        """Start, or with `resume` go on from row `self.done`.

        UserError if `path` is there already, if a partial folder is there and `resume` is not given, or if the partial
        folder belongs to another backbone, width, type, image list or preprocessing.
        """
        self.path, self.index, self.partial = path, index, partial_folder(path)
        if path.exists():
            _check_same(path, type(index).read(path / INDEX), index)
            if not resume:
                raise UserError(f"{path}: is there already, complete; delete it, or give another --out")
            self.done = len(index.image_ids)
        elif self.partial.exists() and (planned := self._planned()):
            if not resume:
                raise UserError(f"{self.partial}: unfinished features are there; go on with --resume, or delete it")
            _check_same(self.partial, planned, index)
            self.done = len(index.image_ids) if (self.partial / INDEX).exists() else self._progress()
        else:
            self._start()
            self.done = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """After an error leave nothing behind if nothing was written yet."""
        if kind is not None and not self.done:
            shutil.rmtree(self.partial, ignore_errors=True)

    def write(self, rows: np.ndarray) -> None:
        """Append rows (n, D); they are on disk when this returns.  OSError naming the file if the disk is full."""
        if rows.shape[1:] != self.index.row_shape or self.done + len(rows) > len(self.index.image_ids):
            raise ValueError(
                f"expected at most {len(self.index.image_ids) - self.done} rows of "
                f"{' x '.join(map(str, self.index.row_shape))}, got {rows.shape}"
            )
        write_rows(self.partial / ARRAY, self.done, np.ascontiguousarray(rows, dtype=self.index.dtype))
        self.done += len(rows)
        atomic_write(self.partial / PROGRESS, json.dumps({"rows": self.done}).encode())

    def finish(self) -> FeatureStore:
        """Write the index last, give the folder its name, and open it."""
        self.finish_folder()
        return FeatureStore.open(self.path)

    def finish_folder(self) -> None:
        """Write the index last, and give the folder its name."""
        if not self.path.exists():
            if self.done != len(self.index.image_ids):
                raise ValueError(f"{self.done} of {len(self.index.image_ids)} rows are written")
            if not (self.partial / INDEX).exists():
                os.replace(self.partial / PLAN, self.partial / INDEX)
            (self.partial / PROGRESS).unlink(missing_ok=True)
            sweep(self.partial)
            os.replace(self.partial, self.path)

    def _start(self) -> None:
        make_folder(self.partial)
        try:
            self._create()
        except OSError:
            shutil.rmtree(self.partial, ignore_errors=True)
            raise
        atomic_write(self.partial / PLAN, self.index.to_json())  # from now on the folder can be resumed

    def _create(self) -> None:
        create_array(self.partial / ARRAY, (len(self.index.image_ids), *self.index.row_shape), self.index.dtype)

    def _planned(self) -> FeatureIndex | None:
        """What the partial folder is to hold; None if it was killed before it held anything."""
        for name in (INDEX, PLAN):
            if (self.partial / name).exists():
                return type(self.index).read(self.partial / name)
        return None

    def _progress(self) -> int:
        try:
            return int(json.loads((self.partial / PROGRESS).read_bytes())["rows"])
        except FileNotFoundError:
            return 0


def partial_folder(path: Path) -> Path:
    """Where features of `path` lie until they are complete."""
    return path.with_name(path.name + ".partial")


def _check_same(path: Path, there: FeatureIndex, wanted: FeatureIndex) -> None:
    for key in ("backbone", "dim", "dtype", "details", "image_ids", "file_names"):
        old, new = getattr(there, key), getattr(wanted, key)
        if old != new:
            said = f"{len(old)} and {len(new)} of them" if isinstance(old, tuple) else f"{old} there, {new} now"
            raise UserError(f"{path}: made with another {key} ({said}); delete it, or give another --out")


def create_array(path: Path, shape: tuple[int, ...], dtype: str) -> None:
    """An .npy file of this size, all its bytes taken from the disk.  OSError naming it if they are not to be had."""
    form = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
    with naming(path), open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, form)
        size = file.tell() + math.prod(shape) * np.dtype(dtype).itemsize
        if hasattr(os, "posix_fallocate"):  # a disk that is too small says so now, not after hours
            os.posix_fallocate(file.fileno(), 0, size)
        file.truncate(size)


def write_rows(path: Path, first: int, rows: np.ndarray) -> None:
    """Put rows into an .npy file from row `first` on, flushed to the disk.  OSError naming it if the disk is full."""
    # write, not a memory map: a full disk is then an OSError and not a SIGBUS
    with naming(path), open(path, "r+b") as file:
        file.seek(int(np.load(path, mmap_mode="r").offset) + first * math.prod(rows.shape[1:]) * rows.itemsize)
        file.write(rows.data)
        file.flush()
        os.fsync(file.fileno())


def map_array(path: Path) -> np.ndarray:
    """An .npy file as a memory map; UserError if it is cut or none."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{path}: not a whole .npy file ({error}); {REMEDY}") from None
    if not isinstance(array, np.memmap):
        raise UserError(f"{path}: not an .npy file; {REMEDY}")
    return array
