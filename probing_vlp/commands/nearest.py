"""`probe.py nearest`: for each image of a split, a human caption of the most similar training image.

The baseline that a captioner has to beat to be worth probing.  Similarity: cosine of the feature vectors; of the
neighbour's captions, the first.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from probing_vlp.data.text import tokenize
from probing_vlp.data.visuals import DataConfig, open_visuals
from probing_vlp.dump import write_dump
from probing_vlp.records import CaptionRecord

BLOCK = 4096
"""Training images compared at a time: features are read from disk in blocks of this many rows."""


@dataclass
class NearestConfig:
    """Captions of nearest training images."""

    out: str = "runs/nearest/dumps/test.jsonl"
    """File to write."""
    split: str = "test"
    """Split to describe."""
    data: DataConfig = field(default_factory=DataConfig)


def run(config: NearestConfig) -> None:
    """Find the neighbours and write their captions as a dump."""
    source = open_visuals(config.data)
    assert source.store is not None
    train, images = source.data.split("train"), source.data.split(config.split)
    nearest = nearest_rows(
        source.store.rows([image.image_id for image in images]),
        (
            source.store.rows([image.image_id for image in train[start : start + BLOCK]])
            for start in range(0, len(train), BLOCK)
        ),
    )
    captions = [source.data.captions[train[row].image_id][0] for row in nearest]
    records = [
        CaptionRecord(image.image_id, " ".join(tokens), image.file_name, tuple(tokens))
        for image, tokens in zip(images, map(tokenize, captions), strict=True)
    ]
    write_dump(
        Path(config.out), {"name": "nearest neighbour", "split": config.split, "data": config.data.source}, records
    )
    print(f"{len(records)} captions: {config.out}")


def nearest_rows(queries: np.ndarray, blocks: Iterable[np.ndarray]) -> np.ndarray:
    """Row of the most similar vector (Q,) for queries (Q, D), over blocks (n, D) read one after another; ties: the
    first."""
    unit = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    best, at, start = np.full(len(queries), -np.inf), np.zeros(len(queries), np.int64), 0
    for block in blocks:
        similarity = unit @ (block / np.linalg.norm(block, axis=1, keepdims=True)).T
        top = similarity.argmax(1)
        value = similarity[np.arange(len(unit)), top]
        better = value > best
        best[better], at[better] = value[better], start + top[better]
        start += len(block)
    return at
