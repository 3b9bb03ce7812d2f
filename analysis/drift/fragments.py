"""Fragments: captions that break off, by what they end with, as shares of captions.

    bad_ending      the last word is of `closed_class.NEVER_LAST`: an article or possessive ("with a"), a preposition or
                    conjunction that cannot stand alone ("of", "and"), a form of "be" or "have" ("that is")
    bad_ending_tag  the last token that is no punctuation has a tag of BAD_TAGS (determiner, preposition, conjunction,
                    auxiliary, particle).  Wider: it also takes "with its landing gear down", which is sound
    empty_captions  no word at all.  An empty caption ends with nothing and is no bad ending

The list is the definition to rely on; the tag is the second opinion, since a tagger guesses in captions that are no
sentences.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from analysis.context import Context
from analysis.ratios import CAPTIONS, Ratio, column
from analysis.reading import Reading
from probing_vlp.data.closed_class import NEVER_LAST
from probing_vlp.tagging import Tagged, tagger_name

SOURCE = __name__
UNIT = "share of captions"
BAD_TAGS = frozenset(("DET", "ADP", "CCONJ", "SCONJ", "AUX", "PART"))


def ratios() -> dict[str, Ratio]:
    """bad_ending, bad_ending_tag and empty_captions, shares of captions."""
    return {
        "drift:bad_ending": Ratio("bad_ending", CAPTIONS, UNIT, SOURCE),
        "drift:bad_ending_tag": Ratio("bad_ending_tag", CAPTIONS, UNIT, tagger_name()),
        "drift:empty_captions": Ratio("empty", CAPTIONS, UNIT, SOURCE),
    }


def columns(captions: Sequence[Reading], context: Context) -> Mapping[str, np.ndarray]:
    """0 or 1 for each caption, (n,)."""
    return {
        "bad_ending": column([bool(reading.words) and reading.words[-1] in NEVER_LAST for reading in captions]),
        "bad_ending_tag": column([last_tag(reading.tags) in BAD_TAGS for reading in captions]),
        "empty": column([not reading.words for reading in captions]),
    }


def last_tag(tags: Tagged) -> str:
    """The part of speech of the last token that is no punctuation; "" if there is none."""
    return next((part for _, part in reversed(tags) if part not in ("PUNCT", "SPACE")), "")
