"""The same words in another order, twice, or not to the end; and the caption of another image."""

from collections.abc import Sequence

import numpy as np

from probing_vlp.experiments.base import Case, each
from probing_vlp.tagging import NOUNS

TRIES = 20
"""Permutations tried before a caption counts as one that cannot be shuffled."""
LOST = 3
"""A truncated caption lacks the last of this many parts."""
BAD_ENDINGS = ("DET", "ADP", "CCONJ", "SCONJ", "PART", "AUX", "PRON")
"""Parts of speech that no caption should end with."""
BAD_ENDING = "with a"
"""What is appended to a caption that has none of them to be cut after."""


def shuffle(cases: Sequence[Case], generator: np.random.Generator) -> list[str | None]:
    """The words in an order at random, not their own; None where every order is the same."""
    return [_shuffled(case.words, own) for case, own in each(cases, generator)]


def exchange_nouns(cases: Sequence[Case], generator: np.random.Generator) -> list[str | None]:
    """Two different visual words, picked at random, in each other's place: a horse riding a man.

    The words are the same as before, so that a scorer blind to word order can only tie.
    """
    captions: list[str | None] = []
    for case, own in each(cases, generator):
        words, nouns = case.words, own.permutation(case.visual_words)[:2]
        if len(nouns) == 2:
            one, other = (next(i for i, tagged in enumerate(case.tags) if _is_noun(tagged, noun)) for noun in nouns)
            words[one], words[other] = words[other], words[one]
        captions.append(" ".join(words) if len(nouns) == 2 else None)
    return captions


def repeat(cases: Sequence[Case], generator: np.random.Generator) -> list[str | None]:
    """The caption twice."""
    return [f"{case.caption} {case.caption}" for case in cases]


def truncate(cases: Sequence[Case], generator: np.random.Generator) -> list[str | None]:
    """The last third of the words left out, rounded down; None for one or two words."""
    keep = [len(case.tags) - len(case.tags) // LOST for case in cases]
    return [
        " ".join(case.words[:count]) if count < len(case.tags) else None
        for case, count in zip(cases, keep, strict=True)
    ]


def drop_end(cases: Sequence[Case], generator: np.random.Generator) -> list[str | None]:
    """As from a captioner that is not paid for its end: cut after the last word that no caption should end with.

    "a man riding a horse in a field" ends at "in a"; a caption that has no such word after its first gets "with a".
    None for one that ends so already.
    """
    captions: list[str | None] = []
    for case in cases:
        places = [i for i, (_, part) in enumerate(case.tags) if i and part in BAD_ENDINGS]
        last = places[-1] if places else 0
        cut = " ".join(case.words[: last + 1]) if last else f"{case.caption} {BAD_ENDING}"
        captions.append(None if last == len(case.tags) - 1 and last else cut)
    return captions


def take_another(cases: Sequence[Case], generator: np.random.Generator) -> list[str | None]:
    """The caption of another image, each given away once: a permutation in which nobody keeps a caption like his own.

    The cases are put in an order at random in which equal captions stand together, and moved on by the size of the
    largest such group; None where more than half of all captions are equal.
    """
    order = generator.permutation(len(cases))
    groups: dict[str, list[int]] = {}
    for row in order:
        groups.setdefault(cases[row].caption, []).append(int(row))
    together = [row for rows in groups.values() for row in rows]
    step = max(map(len, groups.values()), default=0)
    captions: list[str | None] = [None] * len(cases)
    for place, row in enumerate(together):
        other = cases[together[(place + step) % len(cases)]].caption
        captions[row] = other if other != cases[row].caption else None
    return captions


def _shuffled(words: Sequence[str], generator: np.random.Generator) -> str | None:
    for _ in range(TRIES):
        order = [words[i] for i in generator.permutation(len(words))]
        if order != list(words):
            return " ".join(order)
    return None


def _is_noun(tagged: tuple[str, str], word: str) -> bool:
    return tagged[0] == word and tagged[1] in NOUNS
