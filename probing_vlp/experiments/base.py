"""What every experiment works with: cases, constructions that are checked, and paired scores.

A case is an image with the caption to be changed, in normal form: the words of `data.text.tokenize` as the tagger
parts them, lower case, no punctuation.  The caption before and the caption after a change are both in that form, so
that the change is all that differs.

    change  = mean over images of score(constructed) - score(original)
    wins    = share of images with score(constructed) > score(original), a tie counts half
    ceiling = the most that a scorer blind to word order could get right: 0.5 for an image whose two captions are the
              same bag of words (it can only tie), else 1

A *visual word* is a noun (`probing_vlp.tagging`); those of a caption or of an image are distinct word forms in order
of appearance.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from probing_vlp.data.text import tokenize
from probing_vlp.errors import UserError
from probing_vlp.experiments import EXPERIMENTS
from probing_vlp.lookup import lookup
from probing_vlp.tagging import Tagged, nouns, tag


@dataclass(frozen=True)
class Case:
    """An image with the caption to be changed and its human captions, all in normal form."""

    image_id: int
    caption: str
    tags: Tagged
    """(word, part of speech) of each word of the caption."""
    references: tuple[str, ...]
    reference_tags: tuple[Tagged, ...]

    @property
    def words(self) -> list[str]:
        """The words of the caption."""
        return [word for word, _ in self.tags]

    @property
    def visual_words(self) -> list[str]:
        """Its nouns, each once, in order of appearance."""
        return list(dict.fromkeys(nouns(self.tags)))

    @cached_property
    def reference_nouns(self) -> list[str]:
        """The nouns of all human captions, merged, each once, in order of appearance."""
        return list(dict.fromkeys(word for tags in self.reference_tags for word in nouns(tags)))

    @cached_property
    def known(self) -> frozenset[str]:
        """Every word that its caption or a human caption of the image has."""
        return frozenset(self.words).union(*([word for word, _ in tags] for tags in self.reference_tags))


Construct = Callable[[Sequence[Case], np.random.Generator], list[str | None]]


def make_cases(captions: Iterable[tuple[int, str]], references: Mapping[int, Sequence[str]], tagger: Any) -> list[Case]:
    """A case for each (image id, caption); `references` has the human captions of every image, blank ones left out."""
    given = list(captions)
    texts = [text for image_id, caption in given for text in (caption, *references[image_id])]
    found = iter(tag([" ".join(tokenize(text)) for text in texts], tagger))
    cases = []
    for image_id, _ in given:
        own, *rest = (next(found) for _ in range(1 + len(references[image_id])))
        human = tuple(tags for tags in rest if tags)
        cases.append(Case(image_id, joined(own), own, tuple(map(joined, human)), human))
    return cases


def human_cases(cases: Sequence[Case]) -> list[Case]:
    """The same images with their first human caption as the caption to be changed."""
    return [
        replace(case, caption=case.references[0] if case.references else "", tags=(*case.reference_tags, ())[0])
        for case in cases
    ]


def joined(tags: Tagged) -> str:
    """The words of a tagged caption, single blanks between them."""
    return " ".join(word for word, _ in tags)


def each(cases: Sequence[Case], generator: np.random.Generator) -> Iterator[tuple[Case, np.random.Generator]]:
    """Each case with a generator of its own, which depends on the generator given and on the image: what becomes of a
    caption is the same whatever other captions stand beside it."""
    seed = int(generator.integers(2**32))
    for case in cases:
        yield case, np.random.default_rng([seed, *divmod(abs(case.image_id), 2**32)])


def find_experiment(name: str) -> Construct:
    """The experiment of an EXPERIMENTS row or of "package.module:function"."""
    found = lookup(name, EXPERIMENTS, "experiment")
    if not callable(found):
        raise UserError(f"experiment '{name}': is not a function; write construct(cases, generator) -> captions")
    made: Construct = found
    return made


def build(name: str, construct: Construct, cases: Sequence[Case], generator: np.random.Generator) -> list[str | None]:
    """The captions that an experiment makes, one a case; blank ones and those that changed nothing are None.

    A caption without words has nothing to change: the experiment does not see it.  Raises UserError for an experiment
    that returns anything but a text or None for each case.
    """
    seen = [row for row, case in enumerate(cases) if case.tags]
    made = construct([cases[row] for row in seen], generator)
    if not isinstance(made, Sequence) or len(made) != len(seen):
        raise UserError(f"experiment '{name}': must give one caption a case, {len(seen)}; it gave {_count(made)}")
    captions: list[str | None] = [None] * len(cases)
    for row, caption in zip(seen, made, strict=True):
        if not isinstance(caption, str | None):
            raise UserError(f"experiment '{name}': gave {type(caption).__name__}; a caption is a text or None")
        plain = " ".join(caption.split()) if caption else ""
        captions[row] = plain if plain and plain != cases[row].caption else None
    return captions


def same_bag(original: str, constructed: str) -> bool:
    """Whether two captions have the same words, each as often."""
    return Counter(original.split()) == Counter(constructed.split())


def _count(made: object) -> str:
    return str(len(made)) if isinstance(made, Sequence) else type(made).__name__
