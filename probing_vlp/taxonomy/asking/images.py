"""Which image shows which leaves, and which part it is in: train 70 %, val 5 %, test 25 %.

Two sources:

    a folder of folders    THINGS (`folders.py`).  Each folder's sorted files are cut at floor(0.7 n) and floor(0.75 n),
                           as in the paper.
    photographs, captions  COCO and whatever `load_data` reads (`captioned.py`).  The images are put into an order that
                           a hash of seed and name gives, and cut once.

Files of the same content are one image, which shows what all of them show and lies in the part of the first by name: so
nothing of one image is in two parts.  Leaves with fewer than `least` training images, or without a test image, are
dropped and counted, and with them hypernyms that have no leaf left.  Without `least` (0) every leaf must have images.

Deviation from the published code: the files of a folder are sorted (there in the order of the file system).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from probing_vlp.data.splits import load_data
from probing_vlp.errors import UserError
from probing_vlp.taxonomy.asking.captioned import from_captions
from probing_vlp.taxonomy.asking.folders import from_folders
from probing_vlp.taxonomy.records import Shown, Taxonomy

Part = Literal["train", "val", "test"]
PARTS: tuple[Part, ...] = ("train", "val", "test")


@dataclass(frozen=True)
class ImageIndex:
    """The images of an experiment; `taxonomy` is the one given, less the leaves that were dropped."""

    source: str
    taxonomy: Taxonomy
    parts: Mapping[Part, tuple[Shown, ...]]
    dropped: Mapping[str, int] = field(default_factory=dict)
    """Training images of the leaves that had too few."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Images (folders) that are not used, by reason."""

    @cached_property
    def by_name(self) -> Mapping[str, Shown]:
        """Every image by its name."""
        return {shown.image: shown for part in PARTS for shown in self.parts[part]}

    def count(self, part: Part) -> Counter[str]:
        """Images of a part by leaf."""
        return Counter(leaf for shown in self.parts[part] for leaf in shown.leaves)


def index_images(
    spec: str,
    taxonomy: Taxonomy,
    k: int = 2,
    seed: int = 0,
    least: int = 0,
    photos: Path | None = None,
    folders: Path | None = None,
) -> ImageIndex:
    """The images of a source: a folder of folders, or what `load_data` reads.

    `photos` is the folder of the photographs of captions (`images` beside them unless given), `folders` the CSV
    (folder,leaf).  UserError for a leaf without images, for folders whose names differ in case only, and for what
    the readers refuse.
    """
    path = Path(spec)
    if is_folder_per_leaf(path):
        groups, left_out = from_folders(path, taxonomy, folders)
    else:
        if not path.exists() and "," not in spec and spec != "embedded":
            raise UserError(f"{spec}: no such folder of images; give a folder per leaf, or captions with photographs")
        images, left_out = from_captions(load_data(spec), photos or _beside(spec), taxonomy, k, seed)
        groups = [images]
    return _with_enough(ImageIndex(spec, taxonomy, _parts(groups), {}, left_out), least)


def is_folder_per_leaf(path: Path) -> bool:
    """Whether images are sorted by leaf there; else what they show is read off their captions."""
    return path.is_dir() and not any(path.glob("captions_*.json"))


def _beside(spec: str) -> Path:
    """Where the photographs of captions lie if nothing else is said."""
    path = Path(spec)
    if not path.exists() and "," in spec:
        return Path(spec.rpartition(",")[0])
    return (path if path.is_dir() else path.parent) / "images"


def cut(images: Sequence[Shown]) -> dict[Part, list[Shown]]:
    """Train, val and test by position: the ends are floor(0.7 n) and floor(0.75 n)."""
    n = len(images)
    first, second = 7 * n // 10, 3 * n // 4
    return {"train": list(images[:first]), "val": list(images[first:second]), "test": list(images[second:])}


def _parts(groups: Iterable[Sequence[Shown]]) -> dict[Part, tuple[Shown, ...]]:
    cuts = [cut(images) for images in groups]
    return {
        part: tuple(sorted((shown for one in cuts for shown in one[part]), key=lambda shown: shown.image))
        for part in PARTS
    }


def _with_enough(index: ImageIndex, least: int) -> ImageIndex:
    """The same without the leaves that have too few images; UserError if there are such and `least` is 0."""
    train, test = index.count("train"), index.count("test")
    poor = [leaf for leaf in sorted(index.taxonomy.leaves) if train[leaf] < max(least, 1) or not test[leaf]]
    if poor and not least:
        also = f"; so {len(poor) - 1} more" if len(poor) > 1 else ""
        raise UserError(
            f"{index.source}: leaf '{poor[0]}' has {train[poor[0]] or 'no'} training and {test[poor[0]] or 'no'} test "
            f"images{also}; add some, take it out of {index.taxonomy.name}, or drop such leaves with --least 1 or more"
        )
    kept = index.taxonomy.leaves.keys() - poor
    if len(kept) < 2:
        raise UserError(f"{index.source}: {len(kept)} leaves of {index.taxonomy.name} have {least} training images")
    part = index.taxonomy.part(kept) if poor else index.taxonomy
    parts = {
        name: tuple(filter(None, (_less(one, index.taxonomy, part) for one in index.parts[name]))) for name in PARTS
    }
    lost = sum(map(len, index.parts.values())) - sum(map(len, parts.values()))
    left_out = {reason: n for reason, n in {**index.left_out, "shows dropped leaves only": lost}.items() if n}
    return replace(index, taxonomy=part, parts=parts, dropped={leaf: train[leaf] for leaf in poor}, left_out=left_out)


def _less(shown: Shown, whole: Taxonomy, part: Taxonomy) -> Shown | None:
    """What an image shows of a part of the taxonomy; None if nothing."""
    leaves = shown.leaves & part.leaves.keys()
    gone = (shown.leaves | shown.unsure) - part.leaves.keys()
    blocked = (whole.above(gone) & part.hypernyms.keys()) - part.above(leaves)
    return replace(shown, leaves=leaves, unsure=shown.unsure & part.leaves.keys(), blocked=blocked) if leaves else None
