"""Length, nouns and distinct nouns of captions: means over captions, as in table 4 of Ma et al. (2023).

What a noun is, `probing_vlp.tagging` says.  Distinct nouns are distinct word forms: "elephant elephants" has two.
Length counts the words of `data.text.tokenize`.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from analysis.context import Context
from analysis.ratios import CAPTIONS, Ratio, column, ratio_rows
from analysis.reading import Reading, columns_of, readings
from probing_vlp.dump import CaptionDump
from probing_vlp.pages.results import Row
from probing_vlp.tagging import tagger_name


def ratios() -> dict[str, Ratio]:
    """length, nouns and distinct_nouns, each a mean over captions."""
    tagger = tagger_name()
    return {
        "length": Ratio("words", CAPTIONS, "words/caption", "probing_vlp.data.text"),
        "nouns": Ratio("nouns", CAPTIONS, "nouns/caption", tagger),
        "distinct_nouns": Ratio("distinct_nouns", CAPTIONS, "nouns/caption", tagger),
    }


def columns(captions: Sequence[Reading], context: Context) -> Mapping[str, np.ndarray]:
    """Words, nouns and distinct nouns of each caption."""
    return {
        "words": column([len(reading.words) for reading in captions]),
        "nouns": column([len(reading.nouns) for reading in captions]),
        "distinct_nouns": column([len(set(reading.nouns)) for reading in captions]),
    }


def measure(dump: CaptionDump, context: Context) -> list[Row]:
    """The rows of a dump."""
    return ratio_rows(ratios(), columns_of(columns, readings(dump, context), context), dump.name, context)
