"""Words to put in the place of others, from the captions of all cases: what is a wrong noun, and what a neutral word.

The vocabulary is that of the captions and human captions of the cases, each word once, so that rare words are as likely
as frequent ones.  A *wrong* word for an image is one that neither its caption nor any of its human captions has, also
not in the other number ("dogs" is no wrong word for a dog).  A *neutral* word is one that is a noun nowhere.
"""

import functools
from collections.abc import Callable, Sequence
from itertools import cycle, islice

import numpy as np

from probing_vlp.experiments.base import Case
from probing_vlp.tagging import NOUNS


class Pool:
    """Words by part of speech, sorted: they do not depend on the order of the cases."""

    def __init__(self, cases: Sequence[Case]) -> None:
        self.parts: dict[str, set[str]] = {}
        for case in cases:
            for tags in (case.tags, *case.reference_tags):
                for word, part in tags:
                    if word.isalpha():
                        self.parts.setdefault(part, set()).add(word)

    def of(self, *parts: str) -> list[str]:
        """The words that have one of these parts of speech somewhere."""
        return sorted(set().union(*(self.parts.get(part, set()) for part in parts)))

    def neutral(self) -> list[str]:
        """The words that are a noun nowhere."""
        return sorted(set(self.of(*self.parts)) - set(self.of(*NOUNS)))


def wrong_for(case: Case) -> Callable[[str], bool]:
    """Whether a word is wrong for a case."""
    known = {stem(word) for word in case.known}
    return lambda word: stem(word) not in known


def new_to(case: Case) -> Callable[[str], bool]:
    """Whether neither the caption nor a human caption has a word."""
    return lambda word: word not in case.known


def draw(
    words: Sequence[str], count: int, generator: np.random.Generator, fits: Callable[[str], bool] = bool
) -> list[str]:
    """`count` of the words that fit, at random, none twice as long as there are enough; none at all give []."""
    found = list(islice((words[i] for i in generator.permutation(len(words)) if fits(words[i])), count))
    return list(islice(cycle(found), count))


@functools.cache
def stem(word: str) -> str:
    """The word without the ending of its plural: bus and buses, puppy and puppies are one."""
    if word in _PLURALS:
        return _PLURALS[word]
    for ending, instead in (("ies", "y"), ("sses", "ss"), ("shes", "sh"), ("ches", "ch"), ("xes", "x")):
        if word.endswith(ending) and len(word) > len(ending) + 1:
            return word.removesuffix(ending) + instead
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def plural(word: str) -> str:
    """The plural of a noun by the usual rules of spelling, and of a few that have their own."""
    if word in _SINGULARS:
        return _SINGULARS[word]
    if word.endswith(("s", "x", "sh", "ch")):
        return word + "es"
    return word[:-1] + "ies" if word.endswith("y") and word[-2:-1] not in "aeiou" else word + "s"


_SINGULARS = {
    "bus": "buses",
    "man": "men",
    "woman": "women",
    "person": "people",
    "child": "children",
    "foot": "feet",
    "tooth": "teeth",
    "mouse": "mice",
    "sheep": "sheep",
    "knife": "knives",
    "leaf": "leaves",
    "shelf": "shelves",
    "loaf": "loaves",
    "half": "halves",
}
_PLURALS = {many: one for one, many in _SINGULARS.items()}
