"""Doses: a caption as it is, and a little more of one thing.  Does the scorer pay for that thing, or for more words?

    gain  = score(dosed) - score(original), of an image
    net   = sum of signs * gains (CONTRASTS): what the thing is worth beyond as many fillers in the same place

A *filler* says nothing of a photograph: an adverb, a determiner or a pronoun of the captions and human captions of the
cases that is nowhere a noun, a verb, an adjective, a number or a connective, and that neither the caption nor a human
caption of its image has.  Nouns are appended in three ways: those that the caption has already (they say nothing new),
those that are wrong for the image, and true ones (`adding.append_nouns`), which a sound scorer may pay for.

A prefix is a liking for words in one place.  Its net is a difference of differences,

    (prefix first - fillers first) - (prefix last - fillers last)

so that a scorer which likes these words anywhere, or any word more, has none.  A connective is held against the other
connectives, drawn as often as human captions use them: a sound scorer is less put off by "of" in a wrong place than by
a rarer word, which is no liking for "of".
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice

import numpy as np

from probing_vlp.experiments.adding import ADDED, PREFIX
from probing_vlp.experiments.base import Case, Construct, each
from probing_vlp.experiments.pools import Pool, draw, new_to, wrong_for
from probing_vlp.tagging import NOUNS

CONNECTIVE = "and"
FILLERS = ("ADV", "DET", "PRON")
TELLING = (*NOUNS, "VERB", "ADJ", "NUM", "ADP", "CCONJ", "SCONJ", "AUX", "PART")
"""Parts of speech that no filler has anywhere."""
CONNECTING = ("ADP", "CCONJ", "SCONJ")
PHRASE = ("DET", "ADJ", "NUM", "PRON", *NOUNS)
"""Parts of speech within a noun phrase; one begins where a word of them follows a word of another."""

CONTRASTS: Mapping[str, Mapping[str, int]] = {
    "nouns-repeated": {"nouns-repeated": 1, "fillers-appended": -1},
    "nouns-wrong": {"nouns-wrong": 1, "fillers-appended": -1},
    "nouns-appended": {"nouns-appended": 1, "fillers-appended": -1},
    "prefix-first": {"prefix-first": 1, "fillers-first": -1, "prefix-last": -1, "fillers-last": 1},
    "connected": {"connected": 1, "others-connected": -1},
}
"""What the gain of an experiment is held against: signs that sum to zero."""


def repeat_nouns(cases: Sequence[Case], generator: np.random.Generator) -> list[str | None]:
    """ADDED of the caption's own nouns after it, in their order and round again; None for one without nouns."""
    return [_after(case, list(islice(cycle(case.visual_words), ADDED))) for case in cases]


def append_wrong_nouns(cases: Sequence[Case], generator: np.random.Generator) -> list[str | None]:
    """ADDED nouns after the caption that nobody uses for the image."""
    nouns = Pool(cases).of(*NOUNS)
    return [_after(case, draw(nouns, ADDED, own, wrong_for(case))) for case, own in each(cases, generator)]


def append_fillers(cases: Sequence[Case], generator: np.random.Generator) -> list[str | None]:
    """ADDED fillers after the caption."""
    words = fillers(cases)
    return [_after(case, draw(words, ADDED, own, new_to(case))) for case, own in each(cases, generator)]


@dataclass(frozen=True)
class Prefixed:
    """The words of `prefix`, or as many fillers, before the caption or after it."""

    first: bool
    filled: bool
    prefix: str = PREFIX

    def __call__(self, cases: Sequence[Case], generator: np.random.Generator) -> list[str | None]:
        """None for a caption that begins with the prefix already."""
        words, pool = self.prefix.split(), fillers(cases)
        captions: list[str | None] = []
        for case, own in each(cases, generator):
            added = draw(pool, len(words), own, new_to(case)) if self.filled else words
            fresh = added and case.words[: len(words)] != words
            captions.append(
                " ".join([*added, case.caption] if self.first else [case.caption, *added]) if fresh else None
            )
        return captions


@dataclass(frozen=True)
class Connected:
    """The connective, or others as often as human captions use them, before every noun phrase but the first."""

    others: bool
    connective: str = CONNECTIVE

    def __call__(self, cases: Sequence[Case], generator: np.random.Generator) -> list[str | None]:
        """None for a caption of one phrase."""
        uses = connectives(cases)
        words = sorted(uses.keys() - {self.connective})
        shares = np.array([uses[word] for word in words]) / max(1, sum(uses[word] for word in words))
        captions: list[str | None] = []
        for case, own in each(cases, generator):
            places = phrases(case)
            added = [self.connective] * len(places)
            if self.others:
                added = [words[i] for i in own.choice(len(words), len(places), p=shares)] if words else []
            before = dict(zip(places, added, strict=False))
            parts = [part for i, word in enumerate(case.words) for part in (before.get(i), word) if part]
            captions.append(" ".join(parts) if before else None)
        return captions


prefix_first, prefix_last = (Prefixed(first, filled=False) for first in (True, False))
fillers_first, fillers_last = (Prefixed(first, filled=True) for first in (True, False))
connect, connect_others = Connected(others=False), Connected(others=True)


def with_words(construct: Construct, prefix: str, connective: str) -> Construct:
    """The experiment with the prefix or the connective that it is about, where it takes one and one is given."""
    if isinstance(construct, Prefixed) and prefix:
        return replace(construct, prefix=prefix)
    if isinstance(construct, Connected) and connective:
        return replace(construct, connective=connective)
    return construct


def fillers(cases: Sequence[Case]) -> list[str]:
    """The fillers that the captions of the cases offer, sorted."""
    pool = Pool(cases)
    return sorted(set(pool.of(*FILLERS)) - set(pool.of(*TELLING)))


def connectives(cases: Sequence[Case]) -> Counter[str]:
    """Prepositions and conjunctions of the human captions of the cases, and how often they stand there."""
    tags = (tag for case in cases for reference in case.reference_tags for tag in reference)
    return Counter(word for word, part in tags if part in CONNECTING)


def phrases(case: Case) -> list[int]:
    """Where the noun phrases of a caption begin, the first word left out."""
    parts = [part for _, part in case.tags]
    return [i for i in range(1, len(parts)) if parts[i] in PHRASE and parts[i - 1] not in PHRASE]


def _after(case: Case, words: Sequence[str]) -> str | None:
    return " ".join([case.caption, *words]) if words else None
