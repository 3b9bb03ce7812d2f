"""Image features of a data set, from a named backbone into a memory-mapped folder.

    python probe.py features --data DIR --images DIR --backbone resnet101 --out features/resnet101

Batches are a fixed division of the image list and are written in order, so a run that was killed and goes on with
`--resume` ends in the same bytes.  Pictures are taken as they are stored: the EXIF orientation is ignored, as COCO's
own tools do (its boxes count stored pixels).  Grey, palette and CMYK files become RGB; transparency is dropped.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image as PIL
from PIL import ImageFile
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from probing_vlp.data.backbones import Backbone, load_backbone
from probing_vlp.data.features import FeatureIndex, FeatureStore, FeatureWriter
from probing_vlp.data.splits import load_data
from probing_vlp.data.visuals import find_images
from probing_vlp.errors import UserError
from probing_vlp.records import Pixels


@dataclass(frozen=True)
class ExtractConfig:
    """What to extract."""

    images: str
    """Folder of the image files, or several with commas between; an image is looked for in each of them, in its
    sub-folder named by the data (val2014) first."""
    out: Path
    """Folder to make."""
    data: str = "embedded"
    """Whose images: "embedded", a Karpathy JSON, a folder of captions_{train,val,test}.json, or
    IMAGES_DIR,captions.csv."""
    backbone: str = "resnet101"
    """resnet101, efficientnet-lite0, timm:NAME, open_clip:ARCH:TAG, or your own package.module:function."""
    checkpoint: Path | None = None
    """Local weights of the backbone (safetensors, or a torch file of tensors), in place of a download."""
    batch_size: int | None = None
    """Images encoded at once; the features do not depend on it.  By itself 64, or 4 on a CPU, where more is slower."""
    workers: int = 2
    """Threads that read and resize images."""
    device: str = "auto"
    """cpu, cuda, ...; auto: the accelerator if there is one."""
    dtype: Literal["float16", "float32"] = "float32"
    """Type of the stored numbers."""
    resume: bool = False
    """Go on with a run that was cut off."""


def run(config: ExtractConfig) -> None:
    """Extract; nothing is left behind by a mistake that shows before the first image is encoded."""
    device = pick_device(config.device)
    batch_size = pick_batch_size(config.batch_size, device)
    if batch_size < 1 or config.workers < 1:
        raise UserError(f"--batch_size {batch_size} and --workers {config.workers} must be 1 or more")
    pixels = find_images(load_data(config.data).images, config.images.split(","))
    backbone = load_backbone(config.backbone, config.checkpoint).to(device)
    store = extract(pixels, backbone, config.out, config.dtype, batch_size, config.workers, config.resume)
    print(f"{config.out}: {len(store)} x {store.dim} {config.dtype}, {store.backbone}")


def pick_batch_size(asked: int | None, device: torch.device) -> int:
    """Images encoded at once: as many as asked for, else what suits the device."""
    return asked if asked is not None else 4 if device.type == "cpu" else 64


def extract(
    pixels: Sequence[Pixels],
    backbone: Backbone,
    out: Path,
    dtype: str = "float32",
    batch_size: int = 4,
    workers: int = 2,
    resume: bool = False,
) -> FeatureStore:
    """Write the features of `pixels`, in that order, to the folder `out`."""
    index = FeatureIndex(
        backbone.name,
        backbone.dim,
        dtype,
        tuple(p.image_id for p in pixels),
        tuple(p.path.name for p in pixels),
        backbone.details,
    )
    writer = FeatureWriter(out, index, resume)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns) as progress, exact_arithmetic(), writer:
        task = progress.add_task(backbone.name, total=len(pixels), completed=writer.done)
        for batch in load_batches(pixels[writer.done :], backbone.preprocess, batch_size, workers):
            writer.write(to_storage(backbone.encode(batch).numpy(), dtype, pixels[writer.done :]))
            progress.update(task, completed=writer.done)
    return writer.finish()


def exact_arithmetic() -> AbstractContextManager[None]:
    """Convolutions that do not depend on the batch: TF32 rounds to 10 bits, by an algorithm that does."""
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)


def read_picture(path: Path) -> PIL.Image:
    """A whole picture in RGB; UserError for a missing, cut or foreign file."""
    ImageFile.LOAD_TRUNCATED_IMAGES = False  # some libraries set it: a cut picture would be half grey, silently
    try:
        with PIL.open(path) as picture:
            return picture.convert("RGB")
    except FileNotFoundError:
        raise UserError(f"{path}: no such image") from None
    except (OSError, SyntaxError, ValueError, PIL.DecompressionBombError) as error:
        raise UserError(f"{path}: not a whole image ({error}); fetch it again, or take it out of the data") from None


def load_batches(
    pixels: Sequence[Pixels], preprocess: Callable[[PIL.Image], torch.Tensor], batch_size: int, workers: int
) -> Iterator[torch.Tensor]:
    """Preprocessed batches (B, 3, H, W) in order; the next one is read while the caller encodes."""

    def load(item: Pixels) -> torch.Tensor:
        return preprocess(read_picture(item.path))

    with ThreadPoolExecutor(workers) as pool:
        ahead: list[Future[torch.Tensor]] = []
        for start in range(0, len(pixels) + batch_size, batch_size):
            ready, ahead = ahead, [pool.submit(load, item) for item in pixels[start : start + batch_size]]
            try:
                if ready:
                    yield torch.stack([future.result() for future in ready])
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise


def to_storage(features: np.ndarray, dtype: str, pixels: Sequence[Pixels]) -> np.ndarray:
    """Features in the type they are stored in; UserError naming the first image whose features it cannot hold."""
    with np.errstate(over="ignore"):
        stored = features.astype(dtype)
    bad = ~np.isfinite(stored).all(1)
    if bad.any():
        raise UserError(
            f"{pixels[int(bad.argmax())].path}: its features are not finite in {dtype}; "
            "try --dtype float32, or check the weights"
        )
    return stored


def pick_device(name: str) -> torch.device:
    """The device called `name`; "auto" is the accelerator if there is one."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.zeros(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"--device {name}: {str(error).splitlines()[0]}") from None
