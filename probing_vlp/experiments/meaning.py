"""A caption made untrue by a word or two: its count changed, or what it says denied."""

from collections.abc import Sequence

import numpy as np

from probing_vlp.experiments.base import Case, each
from probing_vlp.experiments.pools import plural
from probing_vlp.tagging import NOUNS

NUMBERS = ("two", "three", "four", "five", "six", "seven")
ARTICLES = ("a", "an", "one")
COPULAS = ("is", "are", "was", "were")
NEGATIONS = frozenset({"no", "not", "nt", "n't", "never", "without", "nobody", "nothing", "none"})


def change_count(cases: Sequence[Case], generator: np.random.Generator) -> list[str | None]:
    """The first number word becomes another of NUMBERS; else the first noun phrase with a, an or one gets a number and
    its last noun the plural: "a brown dog" is "two brown dogs".  None for a caption with neither."""
    return [_counted(case, own) for case, own in each(cases, generator)]


def negate(cases: Sequence[Case], generator: np.random.Generator) -> list[str | None]:
    """ "not" after the first is, are, was or were, else before the first verb; else "no" in the place of the first
    determiner, else before everything.  None for a caption that denies something already."""
    return [None if NEGATIONS & set(case.words) else _negated(case) for case in cases]


def _counted(case: Case, generator: np.random.Generator) -> str | None:
    words = case.words
    for i, word in enumerate(words):
        if word in NUMBERS:
            others = [number for number in NUMBERS if number != word]
            return " ".join([*words[:i], others[generator.integers(len(others))], *words[i + 1 :]])
    for i, word in enumerate(words):
        head = _head(case, i + 1)
        if word in ARTICLES and head is not None:
            number = NUMBERS[generator.integers(len(NUMBERS))]
            return " ".join([*words[:i], number, *words[i + 1 : head], plural(words[head]), *words[head + 1 :]])
    return None


def _head(case: Case, start: int) -> int | None:
    """Where the last noun of the noun phrase stands whose first word after the article is at `start`."""
    end = start
    while end < len(case.tags) and case.tags[end][1] in ("ADJ", "ADV", *NOUNS):
        end += 1
    return end - 1 if end > start and case.tags[end - 1][1] in NOUNS else None


def _negated(case: Case) -> str:
    words, parts = case.words, [part for _, part in case.tags]
    copula = next((i for i, word in enumerate(words) if word in COPULAS), None)
    if copula is not None:
        return " ".join([*words[: copula + 1], "not", *words[copula + 1 :]])
    if "VERB" in parts:
        verb = parts.index("VERB")
        return " ".join([*words[:verb], "not", *words[verb:]])
    start = parts.index("DET") if "DET" in parts else 0
    return " ".join([*words[:start], "no", *words[start + ("DET" in parts) :]])
