"""Region features written as their authors' programs write them, from one list of images."""

import base64
import csv
import io
import json
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lmdb
import msgpack
import msgpack_numpy
import numpy as np

from probing_vlp.records import Image

WIDTH = 8
"""Of the features, but where a test wants the published 2048."""


@dataclass(frozen=True)
class Detected:
    """What a detector found in one image; `sure` (R,) falls."""

    image: Image
    width: int
    height: int
    features: np.ndarray
    boxes: np.ndarray
    sure: np.ndarray

    @property
    def stem(self) -> str:
        return self.image.file_name.removesuffix(".jpg")

    @property
    def shares(self) -> np.ndarray:
        """UNITER's norm_bb."""
        x1, y1, x2, y2 = (self.boxes / np.float32([self.width, self.height] * 2)).T
        return np.stack([x1, y1, x2, y2, x2 - x1, y2 - y1], 1)


def detected(count: int = 4, regions: Sequence[int] = (5, 3, 12, 5), width: int = WIDTH) -> list[Detected]:
    """Images of COCO val2014, upright and lying, with 3 to 12 regions; some confidences are below 0.2."""
    found = []
    for i in range(count):
        r = np.random.default_rng(i)
        n, (w, h) = regions[i % len(regions)], ((640, 480), (375, 500))[i % 2]
        a, b = r.uniform(0, 0.5, (n, 2)), r.uniform(0.55, 1, (n, 2))
        boxes = (np.concatenate([a, b], 1) * [w, h, w, h]).astype(np.float32)
        features = np.maximum(r.normal(0, 2, (n, width)), 0).astype(np.float32)
        number = 42 + i
        image = Image(number, f"COCO_val2014_{number:012d}.jpg", "test", folder="val2014")
        found.append(Detected(image, w, h, features, boxes, np.linspace(0.9, 0.05, n, dtype=np.float32)))
    return found


def b64(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array)).decode()


def lxmert_tsv(path: Path, images: Sequence[Detected]) -> Path:
    """Python 2's csv.DictWriter, to a file opened in binary."""
    names = ["img_id", "img_h", "img_w", "objects_id", "objects_conf", "attrs_id", "attrs_conf"]
    names += ["num_boxes", "boxes", "features"]
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, names, delimiter="\t")
        for d in images:
            ids = b64(np.arange(len(d.boxes), dtype=np.int64))
            row = (d.stem, d.height, d.width, ids, b64(d.sure), ids, b64(d.sure), len(d.boxes), b64(d.boxes))
            writer.writerow(dict(zip(names, (*row, b64(d.features)), strict=True)))
    return path


def classic_tsv(path: Path, images: Sequence[Detected]) -> Path:
    names = ["image_id", "image_w", "image_h", "num_boxes", "boxes", "features"]
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, names, delimiter="\t")
        for d in images:
            row = (d.image.image_id, d.width, d.height, len(d.boxes), b64(d.boxes), b64(d.features))
            writer.writerow(dict(zip(names, row, strict=True)))
    return path


def rosita_tsv(folder: Path, images: Sequence[Detected]) -> Path:
    """imgfeat.tsv, imgfeat.lineidx and img_feat_offset_map.json."""
    folder.mkdir(parents=True, exist_ok=True)
    lines, starts, at = [], [], 0
    for d in images:
        ids, sure = b64(np.arange(len(d.boxes), dtype=np.int64)), b64(d.sure)
        row = [d.image.file_name, b64(d.features), d.height, d.width, len(d.boxes), b64(d.boxes), ids, sure, ids, sure]
        lines.append("\t".join(map(str, row)) + "\n")
        starts.append(at)
        at += len(lines[-1])
    (folder / "imgfeat.tsv").write_text("".join(lines))
    (folder / "imgfeat.lineidx").write_text("".join(f"{start}\n" for start in starts))
    offsets = {d.image.file_name: i for i, d in enumerate(images)}
    (folder / "img_feat_offset_map.json").write_text(json.dumps(offsets))
    return folder


def rosita_npz(folder: Path, images: Sequence[Detected], full: bool = False, **other: Any) -> Path:
    """The arrays of the demo, or with `full` those of the whole extraction."""
    folder.mkdir(parents=True, exist_ok=True)
    for d in images:
        arrays: dict[str, Any] = {"x": d.features, "image_h": d.height, "image_w": d.width, "boxes": d.boxes}
        if full:
            ids = np.arange(len(d.boxes))
            arrays |= {"num_boxes": len(d.boxes), "filename": d.image.file_name, "objects_id": ids}
            arrays |= {"objects_conf": d.sure, "attrs_id": ids, "attrs_conf": d.sure}
        np.savez_compressed(folder / f"{d.image.file_name}.npz", **(arrays | other))
    return folder


def uniter_arrays(d: Detected, most: int | None = None) -> dict[str, np.ndarray]:
    classes = np.zeros((len(d.boxes), 16))
    arrays = {"norm_bb": d.shares, "features": d.features, "conf": d.sure[:, None], "soft_labels": classes}
    return {key: array[:most].astype(np.float16) for key, array in arrays.items()}


def uniter_npz(folder: Path, images: Sequence[Detected]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for d in images:
        np.savez(folder / f"{d.stem.lower()}.npz", **uniter_arrays(d))
    return folder


def uniter_lmdb(
    folder: Path, images: Sequence[Detected], kept: str = "feat_th0.2_max100_min10", compressed: bool = False
) -> Path:
    """folder/KEPT[_compressed] and, where confidence decides, folder/nbb_....json; names as in uniter_npz."""
    path = folder / (kept + "_compressed" * compressed)
    path.mkdir(parents=True)
    counts: dict[str, int | None] = {}
    with lmdb.open(str(path), map_size=1 << 26) as environment, environment.begin(write=True) as transaction:
        for d in images:
            n = {"all": None, "feat_numbb4": 4}.get(kept, int(np.clip((d.sure > 0.2).sum(), 10, 100)))
            name, arrays = f"{d.stem.lower()}.npz", uniter_arrays(d, n)
            transaction.put(name.encode(), npz_bytes(arrays) if compressed else packed(arrays))
            counts[name] = n
        transaction.put(b"__keys__", json.dumps(list(counts)).encode())
    if kept.startswith("feat_th"):
        (folder / f"{kept.replace('feat', 'nbb')}.json").write_text(json.dumps(counts))
    return path


def packed(value: Any) -> bytes:
    """As msgpack does after msgpack_numpy.patch()."""
    return bytes(msgpack.packb(value, use_bin_type=True, default=msgpack_numpy.encode))


def npz_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
    """The authors pass allow_pickle=True, which numpy of their time stores as one more array."""
    with io.BytesIO() as file:
        np.savez_compressed(file, **arrays, **{"allow_pickle": np.array(True)} if np.__version__ < "2" else {})
        return file.getvalue()


def vilbert_npy(folder: Path, images: Sequence[Detected]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for d in images:
        info = {"bbox": d.boxes, "num_boxes": len(d.boxes), "objects": np.arange(len(d.boxes))}
        info |= {"image_width": d.width, "image_height": d.height, "cls_prob": np.zeros((len(d.boxes), 16), np.float32)}
        info |= {"image_id": d.stem, "features": d.features}
        np.save(folder / f"{d.stem}.npy", np.array(info, dtype=object), allow_pickle=True)
    return folder


def vilbert_lmdb(
    path: Path,
    images: Sequence[Detected],
    name: Callable[[Detected], str] = lambda d: str(d.image.image_id),
    protocol: int = 3,
    **other: Any,
) -> Path:
    """Keys are image ids, as in the published COCO file."""
    path.mkdir(parents=True)
    keys = []
    with lmdb.open(str(path), map_size=1 << 26) as environment, environment.begin(write=True) as transaction:
        for d in images:
            item = {"image_id": name(d), "image_h": d.height, "image_w": d.width, "num_boxes": len(d.boxes)}
            item |= {"boxes": d.boxes, "features": d.features, **other}
            keys.append(name(d).encode())
            transaction.put(keys[-1], pickle.dumps(item, protocol))
        transaction.put(b"keys", pickle.dumps(keys, protocol))
    return path


def spoil(path: Path, line: int, column: int, change: Callable[[bytes], bytes]) -> None:
    """Change one cell of a TSV."""
    lines = path.read_bytes().splitlines(keepends=True)
    cells = lines[line - 1].split(b"\t")
    cells[column] = change(cells[column])
    lines[line - 1] = b"\t".join(cells)
    path.write_bytes(b"".join(lines))
