"""Readings and dumps for the tests of drift, without a tagger where no tag is needed."""

import os
from collections.abc import Sequence
from pathlib import Path

from analysis.context import Context
from analysis.reading import Reading
from probing_vlp.data.text import tokenize
from probing_vlp.dump import CaptionDump
from probing_vlp.records import CaptionRecord, Image

NOWHERE = Path(os.devnull) / "cache"
"""A cache that nothing can be kept in."""
EMPTY = Context({}, list, cache=NOWHERE)


def read_plainly(captions: Sequence[str], images: Sequence[int] = ()) -> list[Reading]:
    """Readings without tags; caption i is of image i unless `images` says otherwise."""
    ids = images or range(len(captions))
    return [Reading(i, text, tuple(tokenize(text)), ()) for i, text in zip(ids, captions, strict=True)]


def dump_of(name: str, captions: Sequence[str], images: Sequence[int] = (), **header: object) -> CaptionDump:
    ids = images or range(len(captions))
    records = tuple(CaptionRecord(i, text) for i, text in zip(ids, captions, strict=True))
    return CaptionDump(name, records, header)


def context_of(references: Sequence[Sequence[str]], train: Sequence[str] = (), draws: int = 200) -> Context:
    """References of images 0, 1, ... in the test split; `train` are the captions of image 1000."""
    images = {i: Image(i, f"{i}.jpg", "test") for i in range(len(references))}
    captions = {i: tuple(texts) for i, texts in enumerate(references)}
    if train:
        images[1000], captions[1000] = Image(1000, "1000.jpg", "train"), tuple(train)
    return Context(captions, list, images, draws=draws, cache=NOWHERE)
