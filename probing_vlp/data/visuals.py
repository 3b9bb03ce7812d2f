"""What a scorer or a captioner is shown of an image: pixels, feature vector, regions or human captions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from probing_vlp.data.captions import CaptionData
from probing_vlp.data.features import FeatureStore
from probing_vlp.data.region_file import RegionFile
from probing_vlp.data.regions import open_regions
from probing_vlp.data.splits import load_data
from probing_vlp.errors import UserError
from probing_vlp.records import FeatureVector, Image, Pixels, References, Regions

EMBEDDED_FEATURES = Path(__file__).parents[1] / "assets" / "features"


@dataclass
class DataConfig:
    """Where captions, features and photographs come from."""

    source: str = "embedded"
    """"embedded", a Karpathy JSON file, a folder of captions_{train,val,test}.json, or "IMAGES_DIR,captions.csv"."""
    features: str = "embedded"
    """"embedded" or a folder that `probe.py features` made."""
    images: str | None = None
    """Folder of the photographs, for scorers that look at pixels."""
    regions: str | None = None
    """Region features, for scorers that look at regions: a file or folder in any format that `probe.py regions inspect`
    knows, or "features": the feature vector of each image as its only region, the whole picture."""
    trust_pickle: bool = False
    """Load checkpoints and region features (ViLBERT's) that hold more than arrays: pickled programs, which run."""


class VisualSource:
    """Images of a data set as each kind of scorer wants them."""

    def __init__(
        self,
        data: CaptionData,
        store: FeatureStore | None = None,
        images: Path | None = None,
        regions: RegionFile | Literal["features"] | None = None,
        trust_pickle: bool = False,
    ) -> None:
        """`regions`: "features" gives each image one region, its feature vector."""
        self.data, self.store, self.images, self.regions = data, store, images, regions
        self.trust_pickle = trust_pickle
        self._kinds: dict[str, Callable[[Sequence[Image]], list[Any]]] = {
            "references": self._references,
            "features": self._features,
            "pixels": self._pixels,
            "regions": self._regions,
        }

    def with_regions(self, regions: str | Path) -> "VisualSource":
        """The same images with other region features: a path, or "features"."""
        return VisualSource(
            self.data, self.store, self.images, find_regions(regions, self.trust_pickle), self.trust_pickle
        )

    def get(self, kind: str, images: Sequence[Image]) -> list[Any]:
        """records.References, FeatureVector, Pixels or Regions, one an image; UserError for what is not there."""
        if kind not in self._kinds:
            raise UserError(f"a scorer asks for {kind}; this data set gives {', '.join(self._kinds)}")
        return self._kinds[kind](images)

    def _references(self, images: Sequence[Image]) -> list[References]:
        return [self.data.references(image) for image in images]

    def _features(self, images: Sequence[Image]) -> list[FeatureVector]:
        if self.store is None:
            raise UserError("a scorer asks for feature vectors: give --data.features FOLDER")
        rows = self.store.rows([image.image_id for image in images])
        return [
            FeatureVector(image.image_id, row, self.store.backbone) for image, row in zip(images, rows, strict=True)
        ]

    def _pixels(self, images: Sequence[Image]) -> list[Pixels]:
        if self.images is None:
            raise UserError("a scorer looks at pixels: give --data.images FOLDER with the photographs")
        return find_images(images, [str(self.images)])

    def _regions(self, images: Sequence[Image]) -> list[Regions]:
        if self.regions is None:
            raise UserError(
                "a scorer looks at regions: give --data.regions with their file or folder (probe.py regions-grid makes "
                "one from photographs), or --data.regions features"
            )
        if self.regions == "features":
            return [whole_picture(vector) for vector in self._features(images)]
        if any(self.regions.find(image) is None for image in images):  # count those of the batches to come, too
            splits = {image.split for image in images}
            rest = (image for image in self.data.images if image.split in splits)
            self.regions.check(dict.fromkeys([*images, *rest]))
        return [self.regions.get(image) for image in images]


def whole_picture(feature: FeatureVector) -> Regions:
    """A feature vector as the only region of its image, which has no known size: 1 x 1."""
    box = np.array([[0, 0, 1, 1, 1, 1]], np.float32)
    return Regions(feature.image_id, feature.vector[None], box[:, :4], 1, 1, unit_boxes=box)


def find_images(images: Sequence[Image], folders: Sequence[str]) -> list[Pixels]:
    """The file of each image; UserError that counts and names the missing ones."""
    for folder in folders:
        if not Path(folder).is_dir():
            raise UserError(f"{folder}: no such folder of images")
    found, missing = [], []
    for image in images:
        tries = [path for folder in folders for name in file_names(image) for path in places(Path(folder), name, image)]
        path = next((path for path in tries if path.is_file()), None)
        found.append(Pixels(image.image_id, path)) if path else missing.append(image.file_name or str(image.image_id))
    if missing:
        raise UserError(
            f"{len(missing)} of {len(images)} images are missing in {', '.join(folders)}: "
            f"{', '.join(missing[:3])}{', ...' if len(missing) > 3 else ''}"
        )
    return found


def file_names(image: Image) -> list[str]:
    """What its file may be called: an image without a name (COCO results know ids only) may be one of COCO's."""
    splits = ("val2014", "train2014", "test2014")
    return [image.file_name] if image.file_name else [f"COCO_{split}_{image.image_id:012d}.jpg" for split in splits]


def places(folder: Path, name: str, image: Image) -> list[Path]:
    """Where in a folder of images a file may lie."""
    coco = name.split("_")[1] if name.startswith("COCO_") else ""
    return [folder / sub / name for sub in (image.folder, coco, "")]


def open_visuals(config: DataConfig) -> VisualSource:
    """Captions, features, photographs and regions as configured; features are required."""
    data = load_data(config.source)
    store = FeatureStore.open(EMBEDDED_FEATURES if config.features == "embedded" else Path(config.features))
    regions = find_regions(config.regions, config.trust_pickle) if config.regions else None
    return VisualSource(data, store, Path(config.images) if config.images else None, regions, config.trust_pickle)


def find_regions(regions: Any, trust_pickle: bool) -> RegionFile | Literal["features"]:
    """Region features as they are named in options: "features", or a file or folder; YAML may see a number in it."""
    if type(regions) in (int, float):
        regions = str(regions)
    if not isinstance(regions, str | Path) or not str(regions):
        raise UserError(f"region_file {regions!r}: is not a path; give region features, or leave it out")
    return "features" if regions == "features" else open_regions(regions, trust_pickle)
