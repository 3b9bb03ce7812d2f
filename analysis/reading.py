"""Captions as the analyses see them: each read once, its words and its parts of speech side by side."""

from collections.abc import Sequence
from typing import NamedTuple

from analysis.context import Context
from probing_vlp.data.text import tokenize
from probing_vlp.dump import CaptionDump
from probing_vlp.records import CaptionRecord
from probing_vlp.tagging import Tagged, load_tagger, nouns, tag


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
    """Readings in the order of the records."""
    tags = tag([record.caption for record in records], context.once("tagger", load_tagger))
    return [
        Reading(record.image_id, record.caption, tuple(tokenize(record.caption)), found)
        for record, found in zip(records, tags, strict=True)
    ]


def readings(dump: CaptionDump, context: Context) -> list[Reading]:
    """The readings of a dump, made once for all analyses that ask."""
    # the records are kept beside the readings: their id then names no other object
    key = ("readings", id(dump.records))
    made: tuple[object, list[Reading]] = context.once(key, lambda: (dump.records, read(dump.records, context)))
    return made[1]
