"""What a scorer or a captioner is shown of an image: its pixels, its feature vector or its human captions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from probing_vlp.data.features import FeatureStore
from probing_vlp.data.splits import CaptionData, load_data
from probing_vlp.errors import UserError
from probing_vlp.records import FeatureVector, Image, Pixels, References

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


class VisualSource:
    """Images of a data set as each kind of scorer wants them."""

    def __init__(self, data: CaptionData, store: FeatureStore | None = None, images: Path | None = None) -> None:
        self.data, self.store, self.images = data, store, images
        self._kinds: dict[str, Callable[[Sequence[Image]], list[Any]]] = {
            "references": self._references,
            "features": self._features,
            "pixels": self._pixels,
        }

    def get(self, kind: str, images: Sequence[Image]) -> list[Any]:
        """records.References, FeatureVector or Pixels, one an image; UserError for what is not there."""
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


def find_images(images: Sequence[Image], folders: Sequence[str]) -> list[Pixels]:
    """The file of each image; UserError that counts and names the missing ones."""
    for folder in folders:
        if not Path(folder).is_dir():
            raise UserError(f"{folder}: no such folder of images")
    found, missing = [], []
    for image in images:
        coco = image.file_name.split("_")[1] if image.file_name.startswith("COCO_") else ""
        tries = [Path(folder, sub, image.file_name) for folder in folders for sub in (image.folder, coco, "")]
        path = next((path for path in tries if path.is_file()), None)
        found.append(Pixels(image.image_id, path)) if path else missing.append(image.file_name)
    if missing:
        raise UserError(
            f"{len(missing)} of {len(images)} images are missing in {', '.join(folders)}: "
            f"{', '.join(missing[:3])}{', ...' if len(missing) > 3 else ''}"
        )
    return found


def open_visuals(config: DataConfig) -> VisualSource:
    """Captions, features and photographs as configured; features are required."""
    data = load_data(config.source)
    store = FeatureStore.open(EMBEDDED_FEATURES if config.features == "embedded" else Path(config.features))
    return VisualSource(data, store, Path(config.images) if config.images else None)
