"""`probe.py regions inspect FILE`: what a file of region features holds, and whether it can be right."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from probing_vlp.data.region_file import RegionFile, plain, sample_rows
from probing_vlp.data.regions import open_regions
from probing_vlp.data.splits import load_data
from probing_vlp.errors import UserError, check_least
from probing_vlp.records import Regions

PUBLISHED_WIDTH = 2048
READERS = ("uniter", "rosita", "vilbert", "lxmert")
MADE_FOR = {"LXMERT": "lxmert", "ROSITA": "rosita", "UNITER": "uniter", "ViLBERT": "vilbert"}
SHOWN = 3


@dataclass(frozen=True)
class InspectConfig:
    """Which file, and how much of it to look at."""

    file: Path
    """File or folder of region features: a bottom-up-attention TSV, a folder of npz or npy files, an LMDB folder, or a
    folder that `probe.py regions grid` made."""
    sample: int = 64
    """Images to read, evenly spread over the file; 0: all of them."""
    data: str | None = None
    """Data set whose images are to be found in the file: "embedded", a Karpathy JSON, a folder of
    captions_{train,val,test}.json, or IMAGES_DIR,captions.csv."""
    trust_pickle: bool = False
    """Load pickled programs, if you trust the file's source."""


def run(config: InspectConfig) -> None:
    """Print what the file holds; UserError if nothing of it can be read."""
    check_least(config, 0, "sample")
    lines = list(report(open_regions(config.file, config.trust_pickle), config.sample, config.data))
    print("\n".join(f"{title:<12} {said}" for title, said in lines))


def report(file: RegionFile, sample: int = 64, data: str | None = None) -> Iterator[tuple[str, str]]:
    """Lines of (title, text)."""
    rows = sample_rows(len(file), sample or len(file))
    read, problems = _read(file, rows)
    if not read:
        raise UserError(problems[0])
    names = file.names()
    twice = len(names) - len({plain(name) for name in names})
    if twice:
        problems.append(f"{twice} name(s) stand there more than once; the last of each counts")
    yield "file", str(file.path)
    yield "format", "; ".join([file.kind, *file.describe()])
    yield "images", f"{len(file)}, called {_some(names, ', ')}"
    yield "read", f"{len(rows)} of them, evenly spread"
    yield from _numbers(file, read)
    yield "first", f"{names[rows[0]]}: {read[0].first}"
    yield "scorers", _scorers(file, read[0].width)
    if data is not None:
        yield "data", _coverage(file, data)
    yield "problems", _some(problems, "; ") or "none found"


class Seen(NamedTuple):
    """What is kept of an image: ranges of numbers, and a text about its first box."""

    regions: int
    width: int
    values: tuple[float, float]
    size: tuple[int, int]
    confidence: tuple[float, float] | None
    first: str


def _read(file: RegionFile, rows: Sequence[int]) -> tuple[list[Seen], list[str]]:
    """The images that can be read, and what is wrong with the others."""
    read, problems = [], []
    for row in rows:
        try:
            read.append(_see(file.at(row)))
        except UserError as error:
            problems.append(str(error))
    return read, problems


def _see(regions: Regions) -> Seen:
    boxes = regions.boxes if regions.unit_boxes is None else regions.unit_boxes
    size = "" if regions.unit_boxes is not None else f"{regions.width} x {regions.height} pixels, "
    return Seen(
        len(regions.features),
        regions.features.shape[1],
        _range(regions.features),
        (regions.width, regions.height),
        None if regions.confidence is None else _range(regions.confidence),
        f"{size}{len(boxes)} regions, the first at {' '.join(f'{x:.4g}' for x in boxes[0])}",
    )


def _range(values: np.ndarray) -> tuple[float, float]:
    return float(values.min()), float(values.max())


def _numbers(file: RegionFile, read: Sequence[Seen]) -> Iterator[tuple[str, str]]:
    low, high = _range(np.array([seen.values for seen in read]))
    counts = [seen.regions for seen in read]
    yield "regions", f"{min(counts)} to {max(counts)} an image, {np.mean(counts):.1f} on average"
    yield "features", f"{read[0].width} wide, {file.stored}, from {low:.4g} to {high:.4g}"
    if file.boxes_in == "shares":
        yield "boxes", "x1 y1 x2 y2 w h in shares of the image; the sizes of the images are not in the file"
    else:
        (left, right), (low, high) = (_range(side) for side in np.array([seen.size for seen in read]).T)
        yield "boxes", "x1 y1 x2 y2 in pixels"
        yield "sizes", f"images {left:g} to {right:g} wide, {low:g} to {high:g} high"
    known = [seen.confidence for seen in read if seen.confidence is not None]
    yield "confidence", "from {:.3g} to {:.3g}".format(*_range(np.array(known))) if known else "none"


def _scorers(file: RegionFile, width: int) -> str:
    if width != PUBLISHED_WIDTH:
        return f"those trained on features {width} wide; the published {', '.join(READERS)} need {PUBLISHED_WIDTH}"
    made_for = MADE_FOR.get(file.kind.split()[0])
    return ", ".join(READERS) + (f" (made for {made_for})" if made_for else "")


def _coverage(file: RegionFile, data: str) -> str:
    images = load_data(data).images
    missing = [image.file_name for image in images if file.find(image) is None]
    there = f"{len(images) - len(missing)} of {len(images)} images of {data} are there"
    return there + (f"; without: {_some(missing, ', ')}" if missing else "")


def _some(texts: Sequence[str], between: str) -> str:
    more = len(texts) - SHOWN
    return between.join(texts[:SHOWN]) + (f"{between}and {more} more" if more > 0 else "")
