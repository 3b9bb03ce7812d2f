"""A small captioning problem on disk: photographs of things that do something somewhere, and features that say so."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Picture

from probing_vlp.data.features import FeatureIndex, FeatureWriter

THINGS = ("dog", "cat", "horse", "bird")
DEEDS = ("sleeping", "standing")
PLACES = ("grass", "street", "beach", "bed")
GRAMMAR = (
    "a {thing} {deed} on the {place}",
    "the {thing} is {deed} on a {place}",
    "there is a {thing} on the {place}",
    "a {deed} {thing} and a {place}",
    "one {thing} that is {deed}",
)
COUNTS = {"train": 32, "val": 16, "test": 16}
WIDTH = 16

CAPTIONER = {
    "captioner.hidden": 32,
    "captioner.embedding": 32,
    "captioner.dropout": 0.2,
    "min_count": 1,
    "decoding.max_length": 10,
    "batch_size": 8,
    "learning_rate": 0.01,
    "clip": 1.0,
}
"""Options of `train.py ce` for a captioner that learns the grammar in a second."""


@dataclass(frozen=True)
class World:
    """Paths of the problem; any of them can be copied and spoilt."""

    root: Path

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def features(self) -> Path:
        return self.root / "features"

    @property
    def images(self) -> Path:
        return self.root / "images"

    def options(self) -> dict[str, Any]:
        """Where a command finds the data."""
        return {"data.source": self.data, "data.features": self.features}

    def captioner(self) -> dict[str, Any]:
        """What `train.py ce` needs to know."""
        return {**self.options(), **CAPTIONER}


def make_world(root: Path, counts: Mapping[str, int] = COUNTS, pictures: bool = True) -> World:
    """COCO caption files for each split of so many images, features of width WIDTH, and pictures."""
    world = World(root)
    world.data.mkdir(parents=True)
    world.images.mkdir()
    meanings = list(product(range(len(THINGS)), range(len(DEEDS)), range(len(PLACES))))
    generator = np.random.default_rng(0)
    ids, names, rows = [], [], []
    for split, count in counts.items():
        chosen = [meanings[i % len(meanings)] for i in generator.permutation(count)]
        first = len(ids) + 1
        file_names = [f"{split}_{first + i}.jpg" for i in range(count)]
        write_captions(world.data / f"captions_{split}.json", first, file_names, [sentences(*m) for m in chosen])
        ids += range(first, first + count)
        names += file_names
        rows += [vector(m, generator) for m in chosen]
    write_features(world.features, ids, names, np.stack(rows))
    for name in names if pictures else ():
        Picture.fromarray(generator.integers(0, 256, (24, 24, 3), dtype=np.uint8)).save(world.images / name)
    return world


def sentences(thing: int, deed: int, place: int) -> list[str]:
    """Five captions."""
    words = {"thing": THINGS[thing], "deed": DEEDS[deed], "place": PLACES[place]}
    return [f"{rule.format(**words).capitalize()}." for rule in GRAMMAR]


def vector(meaning: tuple[int, int, int], generator: np.random.Generator) -> np.ndarray:
    """The meaning as three one-hot codes, in noise; (WIDTH,) float32."""
    clean = np.concatenate(
        [np.eye(len(words))[code] for words, code in zip((THINGS, DEEDS, PLACES), meaning, strict=True)]
    )
    return np.pad(clean, (0, WIDTH - len(clean))) + generator.normal(0, 0.05, WIDTH)


def write_captions(path: Path, first: int, file_names: Sequence[str], captions: Sequence[Sequence[str]]) -> None:
    """A COCO caption file of images first, first + 1, ..."""
    annotations = [(first + i, text) for i, texts in enumerate(captions) for text in texts]
    path.write_text(
        json.dumps(
            {
                "images": [{"id": first + i, "file_name": name} for i, name in enumerate(file_names)],
                "annotations": [
                    {"id": i, "image_id": image, "caption": text} for i, (image, text) in enumerate(annotations)
                ],
            }
        )
    )


def write_features(
    path: Path, ids: Sequence[int], names: Sequence[str], rows: np.ndarray, backbone: str = "toy"
) -> None:
    """A complete feature folder."""
    writer = FeatureWriter(path, FeatureIndex(backbone, rows.shape[1], "float32", tuple(ids), tuple(names)))
    writer.write(rows.astype(np.float32))
    writer.finish()
