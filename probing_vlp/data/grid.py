"""Regions for images that have no file of them: the cells of a backbone's feature map, or the finds of a detector.

    python probe.py regions grid --data DIR --images DIR --backbone efficientnet-lite0 --out regions/lite0
    python probe.py regions grid --data DIR --images DIR --detector fasterrcnn_resnet50_fpn_v2 --out regions/frcnn

A cell's box is the part of the original picture that it stands for, in pixels: where the preprocessing crops, cells
cover what is left.  `--cells 4` pools a 7 x 7 map to 4 x 4 by averages over parts that overlap by a cell, as adaptive
pooling does; cross-encoders on a small machine want few regions.  The folder is read by `regions.open_regions`.
"""

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
from PIL import Image as PIL
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from probing_vlp.data.backbones import Backbone, load_backbone
from probing_vlp.data.extract import exact_arithmetic, load_batches, pick_batch_size, pick_device, to_storage
from probing_vlp.data.region_detector import load_detector
from probing_vlp.data.region_store import RegionIndex, RegionRows, RegionWriter, StoredRegions
from probing_vlp.data.splits import load_data
from probing_vlp.data.visuals import find_images
from probing_vlp.errors import UserError, check_least
from probing_vlp.records import Pixels

Box = tuple[float, float, float, float]
Preprocess = Callable[[PIL.Image], Tensor]


@dataclass(frozen=True)
class GridConfig:
    """What to make regions of, and how."""

    images: str
    """Folder of the image files, or several with commas between; an image is looked for in each of them, in its
    sub-folder named by the data (val2014) first."""
    out: Path
    """Folder to make."""
    data: str = "embedded"
    """Whose images: "embedded", a Karpathy JSON, a folder of captions_{train,val,test}.json, or
    IMAGES_DIR,captions.csv."""
    backbone: str = "efficientnet-lite0"
    """Whose last feature map gives the cells: resnet101, efficientnet-lite0, timm:NAME, open_clip:ARCH:TAG, or your own
    package.module:function with a network that has `forward_features`."""
    cells: int | None = None
    """Cells a side after average pooling; by itself all of the map."""
    detector: str | None = None
    """A detector of torchvision's in place of the backbone, such as fasterrcnn_resnet50_fpn_v2."""
    regions: int = 36
    """Regions of an image at most, for a detector."""
    confidence: float = 0.05
    """Least confidence of a region, for a detector."""
    checkpoint: Path | None = None
    """Local weights of the backbone or detector, in place of a download."""
    batch_size: int | None = None
    """Images encoded at once by a backbone.  By itself 64, or 4 on a CPU."""
    workers: int = 2
    """Threads that read and resize images."""
    device: str = "auto"
    """cpu, cuda, ...; auto: the accelerator if there is one."""
    dtype: Literal["float16", "float32"] = "float16"
    """Type of the stored numbers."""
    resume: bool = False
    """Go on with a run that was cut off."""


class Maker(Protocol):
    """What makes regions of pictures: at most `regions` of width `dim`; `details` says what they depend on."""

    name: str
    details: dict[str, str]
    regions: int
    dim: int

    def preprocess(self, picture: PIL.Image) -> Tensor:
        """(3, H, W)."""
        ...

    def make(self, batch: Tensor, sizes: Sequence[tuple[int, int]]) -> RegionRows:
        """Regions of preprocessed pictures (B, 3, H, W) whose originals have these (width, height)."""
        ...


class Cells:
    """The cells of a backbone's last feature map, row by row; `cells` a side after pooling, None: all of them."""

    def __init__(self, backbone: Backbone, cells: int | None = None) -> None:
        self._backbone, self._map = backbone, feature_map(backbone)
        _, self.dim, *self._whole = self._run(backbone.preprocess(PIL.new("RGB", (8, 8)))[None]).shape
        rows, columns = self._whole if cells is None else (cells, cells)
        if rows > self._whole[0] or columns > self._whole[1]:
            raise UserError(f"--cells {cells}: {backbone.name} gives {self._whole[0]} x {self._whole[1]}; give fewer")
        self._shape, self.regions, self.name = (rows, columns), rows * columns, backbone.name
        self.details = {**backbone.details, "cells": f"{rows} x {columns} of {self._whole[0]} x {self._whole[1]}"}

    def preprocess(self, picture: PIL.Image) -> Tensor:
        """(3, H, W), as the backbone asks for it."""
        return self._backbone.preprocess(picture)

    def make(self, batch: Tensor, sizes: Sequence[tuple[int, int]]) -> RegionRows:
        """Cells of preprocessed pictures."""
        pooled = torch.nn.functional.adaptive_avg_pool2d(self._run(batch), self._shape)
        boxes = np.stack([self.boxes(size) for size in sizes])
        return RegionRows(
            pooled.flatten(2).transpose(1, 2).numpy(),
            boxes,
            np.full(boxes.shape[:2], np.nan, np.float32),
            np.array([(*size, self.regions) for size in sizes]),
        )

    def boxes(self, size: tuple[int, int]) -> np.ndarray:
        """(R, 4) float32: what each cell sees of a picture of this (width, height), in pixels."""
        left, top, right, bottom = view(self._backbone.preprocess, size)
        y, x = (np.array(cell_edges(n, k)) / n for n, k in zip(self._whole, self._shape, strict=True))
        boxes = [
            (
                left + x1 * (right - left),
                top + y1 * (bottom - top),
                left + x2 * (right - left),
                top + y2 * (bottom - top),
            )
            for y1, y2 in y
            for x1, x2 in x
        ]
        return np.clip(np.array(boxes, np.float32), 0, np.array(size * 2, np.float32))

    @torch.inference_mode()
    def _run(self, batch: Tensor) -> Tensor:
        device = next(self._backbone.network.parameters()).device
        return self._map(batch.to(device, non_blocking=True)).float().cpu()


def cell_edges(count: int, cells: int) -> list[tuple[int, int]]:
    """First and one past the last of `count` places that adaptive pooling puts into each of `cells`."""
    return [(i * count // cells, math.ceil((i + 1) * count / cells)) for i in range(cells)]


def feature_map(backbone: Backbone) -> Callable[[Tensor], Tensor]:
    """What maps pictures (B, 3, H, W) to the last feature map (B, D, h, w) of a backbone."""
    network: Any = backbone.network
    if hasattr(network, "extract_features"):  # EfficientNet-Lite
        return network.extract_features
    if hasattr(network, "forward_features"):  # timm's
        return lambda x: as_map(network, network.forward_features(x))
    if hasattr(network, "forward_intermediates"):  # open_clip's
        last = {"image_indices": 1, "intermediates_only": True, "normalize_intermediates": True}
        return lambda x: network.forward_intermediates(image=x, **last)["image_intermediates"][-1]
    if hasattr(network, "layer4"):  # torchvision's ResNets
        return functools.partial(_layer4, network)
    raise UserError(
        f"backbone {backbone.name}: no feature map to be had from it: its network has none of extract_features, "
        "forward_features, forward_intermediates and layer4"
    )


def _layer4(network: Any, x: Tensor) -> Tensor:
    found: list[Tensor] = []
    hook = network.layer4.register_forward_hook(lambda *call: found.append(call[2]))
    try:
        network(x)
    finally:
        hook.remove()
    return found[0]


def as_map(network: Any, found: Tensor) -> Tensor:
    """timm's last features as (B, D, h, w): tokens (B, T, D) lose those in front, (B, h, w, D) is turned."""
    if found.ndim == 3:
        tokens = found[:, getattr(network, "num_prefix_tokens", 0) :]
        side = math.isqrt(tokens.shape[1])
        grid = getattr(getattr(network, "patch_embed", None), "grid_size", None) or (side, side)
        return tokens.transpose(1, 2).unflatten(2, grid)
    return found.permute(0, 3, 1, 2) if found.shape[1] != network.num_features == found.shape[3] else found


@functools.lru_cache(maxsize=4096)
def view(preprocess: Preprocess, size: tuple[int, int]) -> Box:
    """The part (x1, y1, x2, y2) of a picture of `size` = (width, height) that preprocessing lets through, in pixels.

    Found by sending through a picture whose colours say where they stand; within a pixel of a border it is the border,
    elsewhere right to a third of one.  Where preprocessing pads, it reaches over the borders.
    """
    width, height = size
    places = np.zeros((height, width, 3))
    places[..., 0] = places[..., 2] = (np.arange(width) + 0.5) / width
    places[..., 1] = ((np.arange(height) + 0.5) / height)[:, None]
    black, white = (preprocess(PIL.new("RGB", (8, 8), (value,) * 3)) for value in (0, 255))
    dither = np.random.default_rng(0).random(places.shape)  # rounding to 256 colours would bend the line
    seen = preprocess(PIL.fromarray((places * 255 + dither).astype(np.uint8)))
    share = ((seen - black) / (white - black)).double().numpy()
    (x1, x2), (y1, y2) = _ends(share[0], width), _ends(share[1].T, height)
    return x1, y1, x2, y2


def _ends(share: np.ndarray, length: int) -> tuple[float, float]:
    """Where a line through the middle of `share` (any, n) begins and ends, in pixels of `length`."""
    n = share.shape[1]
    middle = slice(n // 4, max(n // 4 + 2, n - n // 4))
    rows = share[len(share) // 4 : max(len(share) // 4 + 1, len(share) - len(share) // 4)]
    slope, start = np.polyfit((np.arange(n)[middle] + 0.5) / n, rows[:, middle].mean(0), 1)
    begin, end = float(start) * length, float(start + slope) * length
    return 0.0 if abs(begin) < 1 else begin, float(length) if abs(end - length) < 1 else end


def make_regions(
    pixels: Sequence[Pixels],
    maker: Maker,
    out: Path,
    dtype: str = "float16",
    batch_size: int = 4,
    workers: int = 2,
    resume: bool = False,
) -> StoredRegions:
    """Write the regions of `pixels`, in that order, to the folder `out`."""
    ids, names = tuple(p.image_id for p in pixels), tuple(p.path.name for p in pixels)
    writer = RegionWriter(
        out, RegionIndex(maker.name, maker.dim, dtype, ids, names, maker.details, maker.regions), resume
    )
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns) as progress, exact_arithmetic(), writer:
        task = progress.add_task(maker.name, total=len(pixels), completed=writer.done)
        for batch in load_batches(pixels[writer.done :], maker.preprocess, batch_size, workers):
            todo = pixels[writer.done : writer.done + len(batch)]
            rows = maker.make(batch, [size_of(item.path) for item in todo])
            stored = to_storage(rows.features.reshape(len(todo), -1), dtype, todo).reshape(rows.features.shape)
            writer.write_regions(replace(rows, features=stored))
            progress.update(task, completed=writer.done)
    writer.finish_folder()
    return StoredRegions(out)


def size_of(path: Path) -> tuple[int, int]:
    """(width, height) of a picture as it is stored."""
    with PIL.open(path) as picture:
        return picture.size


def run(config: GridConfig) -> None:
    """Make regions; nothing is left behind by a mistake that shows before the first image is encoded."""
    device = pick_device(config.device)
    batch_size = pick_batch_size(config.batch_size, device)
    least = replace(config, batch_size=batch_size, cells=1 if config.cells is None else config.cells)
    check_least(least, 1, "batch_size", "workers", "cells", "regions")
    check_least(config, 0, "confidence")
    pixels = find_images(load_data(config.data).images, config.images.split(","))
    maker: Maker
    if config.detector:
        detector = load_detector(config.detector, config.checkpoint, config.regions, config.confidence)
        maker, batch_size = detector.to(device), 1
    else:
        maker = Cells(load_backbone(config.backbone, config.checkpoint).to(device), config.cells)
    made = make_regions(pixels, maker, config.out, config.dtype, batch_size, config.workers, config.resume)
    print(f"{config.out}: {len(made)} images x {maker.regions} regions x {maker.dim} {config.dtype}, {maker.name}")
