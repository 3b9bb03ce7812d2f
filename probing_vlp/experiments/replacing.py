"""Words replaced by others: the visual ones, the rest, or one word (Ma et al. 2023 section 5.2 and Figure 2).

A noun that stands twice in a caption is replaced by the same word twice.  Which words are wrong or neutral, `pools.py`
says; the paper does not name its pools.
"""

from collections.abc import Sequence

import numpy as np

from probing_vlp.experiments.base import Case, each
from probing_vlp.experiments.pools import Pool, draw, new_to, wrong_for
from probing_vlp.tagging import NOUNS


def replace_visual(cases: Sequence[Case], generator: np.random.Generator) -> list[str | None]:
    """Every visual word replaced by a wrong noun; None for a caption without visual words."""
    nouns = Pool(cases).of(*NOUNS)
    captions = []
    for case, own in each(cases, generator):
        words = case.visual_words
        instead = dict(zip(words, draw(nouns, len(words), own, wrong_for(case)), strict=False))
        captions.append(_mapped(case, instead) if instead else None)
    return captions


def replace_others(cases: Sequence[Case], generator: np.random.Generator) -> list[str | None]:
    """The visual words stay where they are, every other word becomes a neutral one at random.

    None for a caption without visual words and for one that has nothing else.
    """
    neutral = Pool(cases).neutral()
    captions: list[str | None] = []
    for case, own in each(cases, generator):
        others = [i for i, (_, part) in enumerate(case.tags) if part not in NOUNS]
        drawn = draw(neutral, len(others), own, new_to(case))
        words = case.words
        for i, word in zip(others, drawn, strict=False):
            words[i] = word
        captions.append(" ".join(words) if drawn and case.visual_words else None)
    return captions


def swap_noun(cases: Sequence[Case], generator: np.random.Generator) -> list[str | None]:
    """One visual word, picked at random, replaced by a wrong noun."""
    nouns = Pool(cases).of(*NOUNS)
    captions = []
    for case, own in each(cases, generator):
        picked, instead = draw(case.visual_words, 1, own), draw(nouns, 1, own, wrong_for(case))
        captions.append(_mapped(case, {picked[0]: instead[0]}) if picked and instead else None)
    return captions


def swap_attribute(cases: Sequence[Case], generator: np.random.Generator) -> list[str | None]:
    """One adjective, picked at random, replaced by one that no human caption of the image has."""
    return _swap_one(cases, ("ADJ",), generator)


def swap_relation(cases: Sequence[Case], generator: np.random.Generator) -> list[str | None]:
    """One preposition or verb, picked at random, replaced by another of its kind that no human caption has."""
    return _swap_one(cases, ("ADP", "VERB"), generator)


def _swap_one(cases: Sequence[Case], parts: Sequence[str], generator: np.random.Generator) -> list[str | None]:
    pool = Pool(cases)
    instead = {part: pool.of(part) for part in parts}
    captions: list[str | None] = []
    for case, own in each(cases, generator):
        places = [i for i, (_, part) in enumerate(case.tags) if part in parts]
        place = int(own.choice(places)) if places else 0
        drawn = draw(instead[case.tags[place][1]], 1, own, wrong_for(case)) if places else []
        words = case.words
        captions.append(" ".join([*words[:place], *drawn, *words[place + 1 :]]) if drawn else None)
    return captions


def _mapped(case: Case, instead: dict[str, str]) -> str:
    """The caption with the nouns that the mapping has replaced."""
    return " ".join(instead.get(word, word) if part in NOUNS else word for word, part in case.tags)
