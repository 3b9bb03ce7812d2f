"""Captions as the analyses see them: each read once, its words and its parts of speech side by side."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from typing import NamedTuple

import numpy as np

from analysis.context import Context
from probing_vlp.data.text import tokenize
from probing_vlp.dump import CaptionDump
from probing_vlp.files import atomic_write
from probing_vlp.records import CaptionRecord
from probing_vlp.tagging import Tagged, load_tagger, nouns, tag, tagger_name

Columns = Callable[[Sequence["Reading"], Context], Mapping[str, np.ndarray]]
"""The function `columns` of a streaming analysis: numbers of each caption, (n,) by name."""


class Reading(NamedTuple):
    """One caption, read."""

    image_id: int
    caption: str
    """As it was written."""
    words: tuple[str, ...]
    """By `data.text.tokenize`: lower case, no punctuation."""
    tags: Tagged
    """spaCy's tokens and their parts of speech; punctuation has tokens of its own."""

    @property
    def nouns(self) -> list[str]:
        """The nouns, in their order, repetitions included."""
        return nouns(self.tags)


def read(records: Sequence[CaptionRecord], context: Context) -> list[Reading]:
    """Readings in the order of the records; nothing of them is remembered."""
    return _readings(records, tag([record.caption for record in records], context.once("tagger", load_tagger)))


def readings(dump: CaptionDump, context: Context, keep: bool = False) -> list[Reading]:
    """The readings of a dump, made once for all analyses that ask; a caption of several dumps is tagged once.

    With `keep` the tags are kept in the cache folder too: for the human captions, which every report asks for again.
    """

    def make() -> list[Reading]:
        known: dict[str, Tagged] = context.once("tags", dict)
        texts = list(dict.fromkeys(record.caption for record in dump.records))
        if missing := [text for text in texts if text not in known]:
            known |= zip(missing, _kept_tags(missing, context) if keep else _tags(missing, context), strict=True)
        return _readings(dump.records, [known[record.caption] for record in dump.records])

    made: list[Reading] = context.once_of(dump.records, "readings", make)
    return made


def columns_of(analysis: Columns, captions: Sequence[Reading], context: Context) -> Mapping[str, np.ndarray]:
    """What a streaming analysis finds in the readings of a dump, made once for all that ask."""
    made: Mapping[str, np.ndarray] = context.once_of(captions, analysis, lambda: analysis(captions, context))
    return made


def _readings(records: Sequence[CaptionRecord], tags: Sequence[Tagged]) -> list[Reading]:
    return [
        Reading(record.image_id, record.caption, tuple(tokenize(record.caption)), found)
        for record, found in zip(records, tags, strict=True)
    ]


def _tags(texts: Sequence[str], context: Context) -> list[Tagged]:
    return tag(texts, context.once("tagger", load_tagger))


def _kept_tags(texts: Sequence[str], context: Context) -> list[Tagged]:
    key = json.dumps([tagger_name(), *texts])
    path = context.cache / f"tags-{sha256(key.encode()).hexdigest()[:16]}.json"
    with suppress(OSError, ValueError, TypeError):  # not kept yet, or damaged: tag them
        found = [tuple((word, part) for word, part in tags) for tags in json.loads(path.read_bytes())]
        if len(found) == len(texts):
            return found
    made = _tags(texts, context)
    with suppress(OSError):  # the cache only saves seconds: a full or read-only home is no reason to stop
        atomic_write(path, json.dumps(made, ensure_ascii=False).encode())
    return made
