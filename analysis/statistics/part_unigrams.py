"""The ten most frequent nouns, verbs, adjectives and function words (Ma et al. 2023 section 4.3).

A row a word, "unigram_pos:PART:RANK:WORD": its share of all tagged words, with an interval over captions.  A word is a
token of the tagger that is no punctuation, symbol or blank; "cat's" is two, a noun and a particle.  The same form
counts under each part that it is tagged as.  Adverbs, numbers and interjections are words, but have no table.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from analysis.context import Context
from analysis.ratios import Ratio
from analysis.reading import Reading, readings
from analysis.statistics.unigrams import Shares, bootstrapped, counted, counted_shares, top
from probing_vlp.dump import CaptionDump
from probing_vlp.pages.results import Row, row
from probing_vlp.tagging import NOUNS, Tagged, tagger_name

PARTS = {
    "noun": NOUNS,
    "verb": ("VERB",),
    "adjective": ("ADJ",),
    "function": ("ADP", "AUX", "CCONJ", "DET", "PART", "PRON", "SCONJ"),
}
NO_WORDS = ("PUNCT", "SYM", "SPACE")
_PART_OF = {tag: part for part, tags in PARTS.items() for tag in tags}


def ratios() -> dict[str, Ratio]:
    """None: every number here comes from counters."""
    return {}


def counters(captions: Sequence[Reading], context: Context) -> Mapping[str, Counter[str]]:
    """Those of `unigrams`, with "PART:WORD" for a word; "other:WORD" fills up the lengths."""
    return counted(word_uses(each.tags) for each in captions)


def counted_rows(found: Mapping[str, Counter[str]], model: str, context: Context) -> list[Row]:
    """The shares of the most frequent words of each part, from counters alone."""
    return _rows(found["uses"], counted_shares(found), model)


def measure(dump: CaptionDump, context: Context) -> list[Row]:
    """The shares of the most frequent words of each part; n is the number of captions."""
    uses = [word_uses(each.tags) for each in readings(dump, context)]
    return _rows(counted(uses)["uses"], bootstrapped(uses, context), dump.name)


def word_uses(tags: Tagged) -> Counter[str]:
    """Uses of "PART:WORD" in a caption."""
    return Counter(f"{_PART_OF.get(tag, 'other')}:{word}" for word, tag in tags if tag not in NO_WORDS)


def _rows(uses: Mapping[str, int], shares: Shares, model: str) -> list[Row]:
    ranked = [
        (part, rank, key, times)
        for part in PARTS
        for rank, (key, times) in enumerate(top({k: v for k, v in uses.items() if k.startswith(f"{part}:")}), 1)
    ]
    source = f"{__name__}, {tagger_name()}"
    return [
        row(
            f"unigram_pos:{part}:{rank}:{key.partition(':')[2]}",
            model,
            found,
            "share of words",
            source,
            f"{times:,} uses",
        )
        for (part, rank, key, times), found in zip(ranked, shares([key for *_, key, _ in ranked]), strict=True)
    ]
