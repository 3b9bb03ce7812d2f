"""What the analyses share: references, the language model's corpus, seeds, and the captions' tags made once a dump."""

import functools
import zlib
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from probing_vlp.data.captions import CaptionData
from probing_vlp.data.embedded import coco_corpus
from probing_vlp.data.splits import load_data
from probing_vlp.dump import CaptionDump
from probing_vlp.errors import UserError
from probing_vlp.files import cache_dir
from probing_vlp.records import CaptionRecord, Image


@dataclass(frozen=True)
class Context:
    """Read-only surroundings of every analysis."""

    references: Mapping[int, tuple[str, ...]]
    """Human captions by image id, raw text."""
    corpus: Callable[[], Sequence[str]]
    """The raw captions that the language model is estimated from; called only when a perplexity is wanted."""
    images: Mapping[int, Image] = field(default_factory=dict)
    seed: int = 1
    draws: int = 1000
    """Bootstrap draws behind each interval."""
    cache: Path = field(default_factory=cache_dir)
    """Where the language model is kept."""
    corpus_name: str = ""
    """What names the corpus's captions for good, so that a model kept of them is found unread; empty: nothing does."""
    lm: Path | None = None
    """A language model's file, to be used instead of an estimate from the corpus."""
    lm_order: int = 3
    """The order that it must have."""
    without: frozenset[str] = frozenset()
    """Caption metrics that are not to be measured."""
    memory: dict[Hashable, Any] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise UserError(f"--seed {self.seed}: must be 0 or more")
        if self.draws < 1:
            raise UserError(f"{self.draws} bootstrap draws: at least 1 is needed")

    def generator(self, name: str) -> np.random.Generator:
        """A generator for one quantity: its interval is the same whatever else is measured."""
        return np.random.default_rng([self.seed, zlib.crc32(name.encode())])

    def once(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """The value of `make()`, made once for a key: what several analyses or dumps share."""
        if key not in self.memory:
            self.memory[key] = make()
        return self.memory[key]

    def once_of(self, owner: object, what: Hashable, make: Callable[[], Any]) -> Any:
        """The value of `make()`, made once for an object that is no key itself, such as the records of a dump."""
        # the owner is kept beside the value: its id then names no other object
        return self.once((what, id(owner)), lambda: (owner, make()))[1]


def load_context(
    source: str = "embedded",
    corpus: str = "coco",
    seed: int = 1,
    draws: int = 1000,
    lm: Path | None = None,
    lm_order: int = 3,
) -> Context:
    """The context of a data source (`data.splits.load_data`).

    `corpus` is "coco", all 414,113 captions of COCO train2014, or "data", the train split of the source; `lm` the file
    of a language model of order `lm_order` that takes the place of one estimated from it.
    """
    if corpus not in ("coco", "data"):
        raise UserError(f"the language model's corpus is coco or data, not '{corpus}'")
    data = load_data(source)
    own = functools.partial(_train_captions, data)
    return Context(
        data.captions,
        functools.cache(_coco_train) if corpus == "coco" else own,
        {image.image_id: image for image in data.images},
        seed,
        draws,
        cache_dir(),
        f"train2014 of pycocoevalcap {version('pycocoevalcap')}" if corpus == "coco" else "",
        lm,
        lm_order,
    )


def one_caption_per_image(dump: CaptionDump, references: Mapping[int, tuple[str, ...]]) -> tuple[CaptionRecord, ...]:
    """The dump's records, checked: every image has references and one caption.  A dump may cover some images only."""
    where = dump.path or dump.name
    seen: set[int] = set()
    for record in dump.records:
        if record.image_id in seen:
            raise UserError(
                f"{where}: image {record.image_id} has more than one caption; caption metrics compare one "
                "an image: dump greedy or beam captions, or split the file"
            )
        if not references.get(record.image_id):
            raise UserError(
                f"{where}: image {record.image_id} has no reference captions in the data; give the data "
                "that the captions were made for with --data"
            )
        seen.add(record.image_id)
    if not seen:
        raise UserError(f"{where}: the dump holds no captions")
    return dump.records


def _train_captions(data: CaptionData) -> list[str]:
    return [text for image in data.split("train") for text in data.captions[image.image_id]]


def _coco_train() -> list[str]:
    return [text for _, text in coco_corpus("train")]
