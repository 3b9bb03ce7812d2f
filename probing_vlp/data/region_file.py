"""What every file of region features can do: find the entry of an image, read it, and check what it read.

R regions, D features.  A format is a subclass that lists its names and reads one entry; nothing is held in memory but
the names.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from probing_vlp.errors import UserError
from probing_vlp.records import Image, Regions

SLACK = 1.0
"""Pixels by which a box may reach over the border: detectors round."""
UNIT_SLACK = 0.01
"""The same in shares of the image, for boxes stored as float16."""
LONGEST_SIDE = 1 << 20
"""Pixels that no photograph has."""


class RegionFile:
    """Regions of a set of images, read one image at a time.

    `by_id`: the entries are called by image ids rather than by file names.
    """

    kind = "regions"
    by_id = False
    boxes_in = "pixels"
    stored = "float32"
    """Type of the features in the file; read, they are float32."""

    def __init__(self, path: Path, names: Iterable[str], trust_pickle: bool = False) -> None:
        self.path, self.trust_pickle, self._names = path, trust_pickle, list(names)
        if not self._names:
            raise UserError(f"{path}: holds no regions of any image; is it the whole file?")
        self._row = {plain(name): row for row, name in enumerate(self._names)}
        self._first: tuple[int, str] | None = None  # width of the first features read, and where they are

    def __len__(self) -> int:
        return len(self._names)

    def __reduce__(self) -> tuple[Any, ...]:
        from probing_vlp.data.regions import open_regions  # it imports the formats

        return open_regions, (self.path, self.trust_pickle)  # a copy in another process opens the file again

    def names(self) -> tuple[str, ...]:
        """What the file calls its images, in its own order."""
        return tuple(self._names)

    def find(self, image: Image) -> int | None:
        """The entry of an image, None if it has none."""
        rows = (self._row.get(name) for name in calls(image, self.by_id))
        return next((row for row in rows if row is not None), None)

    def check(self, images: Iterable[Image]) -> None:
        """UserError that counts and names the images without regions."""
        images = list(images)
        missing = [image for image in images if self.find(image) is None]
        if missing:
            some = ", ".join(f"{image.file_name or 'no name'} ({image.image_id})" for image in missing[:3])
            raise UserError(
                f"{self.path}: no regions of {len(missing)} of {len(images)} image(s): {some}"
                f"{', ...' if len(missing) > 3 else ''}; it holds {len(self)}, such as {self._names[0]}; give the "
                "region features of the same images"
            )

    def get(self, image: Image) -> Regions:
        """The regions of an image, checked; UserError if it has none, or if they cannot be right."""
        row = self.find(image)
        if row is None:
            self.check([image])
        return self.at(row or 0, image.image_id)

    def at(self, row: int, image_id: int = 0) -> Regions:
        """Entry number `row`, checked."""
        regions = self._read(row, image_id)
        if trouble := trouble_of(regions) or self._other_width(regions, row):
            raise UserError(f"{self._where(row)}: {trouble}")
        return regions

    def describe(self) -> list[str]:
        """Lines about the format that the entries do not show."""
        return []

    def _read(self, row: int, image_id: int) -> Regions:
        raise NotImplementedError

    def _other_width(self, regions: Regions, row: int) -> str:
        here = regions.features.shape[1]
        self._first = self._first or (here, self._names[row])
        width, name = self._first
        if width == here:
            return ""
        return f"features of width {here}, but {width} in another image ({name}); is the file whole?"

    def _where(self, row: int) -> str:
        return f"{self.path}, image {self._names[row]}"


def plain(name: str) -> str:
    """A name without what files add to it: `COCO_val2014_000000000042.jpg.npz` is `COCO_val2014_000000000042`."""
    for suffixes in ((".npz", ".npy"), (".jpg", ".jpeg", ".png", ".JPG", ".JPEG", ".PNG")):
        name = next((name.removesuffix(suffix) for suffix in suffixes if name.endswith(suffix)), name)
    return name


def calls(image: Image, by_id: bool) -> list[str]:
    """The names under which region files keep an image, likeliest first.

    UNITER's are lower-case, with `flickr30k_` before the padded number of a Flickr30k file; files of COCO 2017 are
    plain numbers, and those of 2014 say their split.  An image that has no file name may be one of COCO's.
    """
    stem, number = plain(Path(image.file_name).name) or f"{image.image_id:012d}", [str(image.image_id)]
    names = [stem, stem.lower()]
    if stem.isdecimal():
        names += [f"flickr30k_{int(stem):012d}", f"flickr30k_{stem}"]
        if len(stem) == 12:
            names += [f"{coco}_{split}2014_{stem}" for coco in ("COCO", "coco") for split in ("train", "val")]
            names.append(str(int(stem)))
    return number + names if by_id else names + number


def make_regions(
    image_id: int,
    where: str,
    features: Any,
    boxes: Any,
    width: Any,
    height: Any,
    confidence: Any = None,
) -> Regions:
    """Regions in pixels from what a file holds, as float32 and whole numbers; UserError for other shapes."""
    features, boxes = as_table(features, None, "features", where), as_table(boxes, 4, "boxes", where)
    sides = as_side(width, "width", where), as_side(height, "height", where)
    return Regions(image_id, features, boxes, *sides, as_confidence(confidence, where))


def make_unit_regions(image_id: int, where: str, features: Any, boxes: Any, confidence: Any = None) -> Regions:
    """Regions of a file that knows the shares of the image only: `boxes` (R, 6) x1 y1 x2 y2 w h."""
    features, boxes = as_table(features, None, "features", where), as_table(boxes, 6, "norm_bb", where)
    return Regions(image_id, features, boxes[:, :4], 1, 1, as_confidence(confidence, where), boxes)


def as_side(value: Any, what: str, where: str) -> int:
    """The width or the height of an image, 0 or less included; UserError for what is no number of pixels."""
    try:
        side = int(np.asarray(value).reshape(-1)[0])
    except (ValueError, TypeError, IndexError, OverflowError):  # a text, nothing, NaN, infinity
        side = LONGEST_SIDE + 1
    if side > LONGEST_SIDE:
        raise UserError(f"{where}: the image's {what} is {value!r:.60}, not a number of pixels; make the file again")
    return side


def as_array(values: Any, what: str, where: str) -> np.ndarray:
    """An array; UserError for lists of unequal lengths."""
    try:
        return np.asarray(values)
    except ValueError as error:
        raise UserError(f"{where}: {what} are no table of numbers ({first_line(error)}); make the file again") from None


def as_table(values: Any, columns: int | None, what: str, where: str) -> np.ndarray:
    """(R, columns) float32; UserError for anything else."""
    values = as_array(values, what, where)
    if values.dtype.kind not in "fiu" or values.ndim != 2 or columns not in (None, values.shape[1]):
        raise UserError(
            f"{where}: {what} are {values.dtype} {values.shape}, not numbers (regions, {columns or 'width'}); make the "
            "file again"
        )
    return values.astype(np.float32)


def as_confidence(values: Any, where: str) -> np.ndarray | None:
    """(R,) float32; None where none is known."""
    if values is None:
        return None
    values = as_array(values, "confidences", where)
    if values.dtype.kind not in "fiu":
        raise UserError(f"{where}: confidences are {values.dtype} {values.shape}, not numbers; make the file again")
    return values.astype(np.float32).reshape(-1)


def trouble_of(regions: Regions) -> str:
    """What is wrong with the regions of an image and what to do; empty if nothing is."""
    features, boxes, confidence = regions.features, regions.boxes, regions.confidence
    counts = [len(features), len(boxes), *([] if confidence is None else [len(confidence)])]
    if not len(features) or len(set(counts)) > 1:
        said = f"{len(features)} feature vectors for {len(boxes)} boxes"
        return said + ("" if confidence is None else f" and {len(confidence)} confidences") + "; make the file again"
    for what, values in (("features", features), ("boxes", boxes), ("confidence", confidence)):
        if values is not None and not np.isfinite(values).all():
            return f"NaN or infinity in the {what}; extract the features of this image again"
    if regions.unit_boxes is not None:
        return _unit_trouble(regions.unit_boxes)
    return _pixel_trouble(boxes, regions.width, regions.height)


def _unit_trouble(boxes: np.ndarray) -> str:
    low, high = float(boxes.min()), float(boxes.max())
    if low < -UNIT_SLACK or high > 1 + UNIT_SLACK:
        return (
            f"boxes from {low:g} to {high:g} are not shares of the image, 0 to 1; divide them by its width and height"
        )
    if np.abs(boxes[:, 2:4] - boxes[:, :2] - boxes[:, 4:]).max() > UNIT_SLACK:
        return "the columns of norm_bb are not x1 y1 x2 y2 w h: x2 - x1 is not w, or y2 - y1 not h"
    return ""


def _pixel_trouble(boxes: np.ndarray, width: int, height: int) -> str:
    if min(width, height) < 1:
        return f"an image of {width} x {height} pixels; make the file again with the sizes of the images"
    if boxes.max() <= 1 and max(width, height) > 2:
        return (
            f"boxes up to {boxes.max():g} in an image of {width} x {height} are not in pixels; multiply them by its "
            "width and height"
        )
    if (boxes[:, 2:] < boxes[:, :2]).any():
        return "a box ends before it begins; boxes are x1 y1 x2 y2 in pixels (not x y w h)"
    x, y = float(boxes[:, 2].max()), float(boxes[:, 3].max())
    if boxes.min() < -SLACK or x > width + SLACK or y > height + SLACK:
        swapped = boxes.min() >= -SLACK and x <= height + SLACK and y <= width + SLACK
        return (
            f"boxes reach from {boxes.min():g} to {x:g} x {y:g}, outside the image of {width} x {height} pixels; "
            + ("are its width and height swapped?" if swapped else "are they boxes of another size of it?")
        )
    return ""


def first_line(error: BaseException) -> str:
    """What an exception says, in one short line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def sample_rows(count: int, most: int) -> Sequence[int]:
    """At most `most` rows, evenly spread, the first and the last among them."""
    return sorted({int(row) for row in np.linspace(0, count - 1, min(count, most)).round()})
