"""Small worlds for the taxonomy probe: taxonomies as text, folders of distinct pictures, captioned photographs."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from probing_vlp.taxonomy.asking.images import ImageIndex
from probing_vlp.taxonomy.asking.taxonomies import read_taxonomy
from probing_vlp.taxonomy.records import Shown, Taxonomy

ZOO = """crow,bird
crow,animal
gull,bird
gull,animal
dog,animal
cat,animal
car,vehicle
bus,vehicle
kite,toy
ball,toy"""


def taxonomy_of(folder: Path, pairs: str = ZOO, columns: str = "leaf,hypernym") -> Taxonomy:
    """The taxonomy of these lines."""
    path = folder / "taxonomy.csv"
    path.write_text(f"{columns}\n{pairs}\n", encoding="utf-8")
    return read_taxonomy(path, "zoo")


def picture(path: Path, colour: int) -> None:
    """A file of one colour: two of the same number have the same content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (colour % 256, colour // 256, 7)).save(path, "PNG")


def folders_of(root: Path, counts: Mapping[str, int]) -> Path:
    """A folder of `counts` pictures a name, all different."""
    colour = 0
    for name, n in counts.items():
        (root / name).mkdir(parents=True)
        for i in range(n):
            colour += 1
            picture(root / name / f"{i:03d}.png", colour)
    return root


def captioned(root: Path, captions: Mapping[str, Sequence[str]]) -> Path:
    """Photographs NAME.png with these captions, as COCO keeps them."""
    images = [{"id": i, "file_name": f"{name}.png"} for i, name in enumerate(captions)]
    told = [(i, text) for i, texts in enumerate(captions.values()) for text in texts]
    annotations = [{"id": n, "image_id": i, "caption": text} for n, (i, text) in enumerate(told)]
    for image in images:
        picture(root / "images" / str(image["file_name"]), int(image["id"]))
    (root / "captions_train.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    return root


def index_of(taxonomy: Taxonomy, train: Sequence[str], test: Sequence[str]) -> ImageIndex:
    """Images that show the leaves of each text, "crow, dog"; a leaf with ? is unsure."""

    def shown(part: str, i: int, text: str) -> Shown:
        words = text.split(", ")
        sure = frozenset(word for word in words if word[-1] != "?")
        return Shown(f"{part}{i}", Path(), sure, frozenset(word[:-1] for word in words if word[-1] == "?"))

    parts = {"train": train, "val": (), "test": test}
    made = {part: tuple(shown(part, i, text) for i, text in enumerate(texts)) for part, texts in parts.items()}
    return ImageIndex("made", taxonomy, made)  # type: ignore[arg-type]
