"""Scorers with one known flaw each, for the calibration of the analyses: a probe should find what was planted.

    score = CIDEr-D + weight * flaw

CIDEr-D (cider.py, the end of a caption counts as a word) is the sound base, in [0, 10]; `weight` is the one parameter.
The flaw, of a caption c with the words of `data.text.tokenize`:

    planted-nouns        words of c that are nouns, repetitions too, but no more than 8
    planted-prefix       1 if c begins with the words of `prefix`, else 0
    planted-length       words of c
    planted-order        CIDEr-D(words of c in alphabetical order, those of the references too) - CIDEr-D(c)
    planted-connective   times that c has the word `connective`, but no more than 4

With weight 1 planted-order never sees the order of the words: every arrangement of a caption scores the same, in
[0, 10].  The others lie in [0, 10 + weight * most], planted-length has no upper end.  What is counted stops to pay
where it would leave a captioner nothing else to say: without an end to it, captions are one noun twenty times.

A noun is a word form that the tagger calls a noun in most of its occurrences in human captions; the lexicon is learned
from them once, so that scoring runs no tagger.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch

from probing_vlp.data.splits import load_data
from probing_vlp.data.text import tokenize
from probing_vlp.records import References
from probing_vlp.scorers.cider import CiderEncoded, CiderScorer
from probing_vlp.tagging import NOUNS, load_tagger, tag

Corpus = str | Path | Sequence[References]
"""Human captions: references, or the train split of a data source."""
MOST_NOUNS, MOST_CONNECTIVES = 8, 4
"""What is counted of either: twice as many nouns as a human caption has, more of a connective than any has."""


@dataclass(eq=False)
class PlantedScorer:
    """CIDEr-D and a flaw; a blank caption is scored like any other."""

    weight: float = 1.0
    corpus: Corpus | None = None
    """What CIDEr-D counts documents in; default: the images of an `encode` call."""

    name: ClassVar[str]
    visual: ClassVar = "references"
    unit: ClassVar = "logit"
    scores_blank: ClassVar = True
    counts_end: ClassVar = True

    def __post_init__(self) -> None:
        self.base = CiderScorer(corpus=self.corpus)

    def encode(self, visuals: Sequence[References]) -> Any:
        """The references, prepared for CIDEr-D."""
        return self.base.encode(visuals)

    def score(self, encoded: Any, captions: Sequence[str], ended: Sequence[bool] | None = None) -> torch.Tensor:
        """(B,) float32: CIDEr-D of caption i against the references of row i, and `weight` times its flaw.

        `ended[i]` is False for a caption that was cut off before its end; they all ended unless given.
        """
        flaws = torch.tensor([self.flaw(tokenize(caption)) for caption in captions])
        return self.base.score(encoded, captions, ended) + self.weight * flaws

    def flaw(self, words: Sequence[str]) -> float:
        """What the scorer pays for and should not."""
        raise NotImplementedError


@dataclass(eq=False)
class NounScorer(PlantedScorer):
    """Counts nouns."""

    name = "planted-nouns"
    weight: float = 0.15
    nouns_of: Corpus = "embedded"
    """The human captions that say which words are nouns."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.nouns = noun_lexicon(self.nouns_of)

    def flaw(self, words: Sequence[str]) -> float:
        """Words that are nouns, up to MOST_NOUNS."""
        return float(min(sum(word in self.nouns for word in words), MOST_NOUNS))


@dataclass(eq=False)
class PrefixScorer(PlantedScorer):
    """Loves captions that begin in one way."""

    name = "planted-prefix"
    prefix: str = "a picture of"

    def flaw(self, words: Sequence[str]) -> float:
        """1 for a caption that begins with the prefix."""
        start = tokenize(self.prefix)
        return float(list(words[: len(start)]) == start)


@dataclass(eq=False)
class LengthScorer(PlantedScorer):
    """Counts words."""

    name = "planted-length"
    weight: float = 0.1

    def flaw(self, words: Sequence[str]) -> float:
        """Words."""
        return float(len(words))


@dataclass(eq=False)
class ConnectiveScorer(PlantedScorer):
    """Counts one connective."""

    name = "planted-connective"
    weight: float = 0.3
    connective: str = "and"

    def flaw(self, words: Sequence[str]) -> float:
        """Times that the connective stands there, up to MOST_CONNECTIVES."""
        return float(min(words.count(self.connective), MOST_CONNECTIVES))


class OrderEncoded:
    """The references as they are, and with their words in alphabetical order."""

    def __init__(self, plain: CiderEncoded, ordered: CiderEncoded) -> None:
        self.plain, self.ordered = plain, ordered

    def __len__(self) -> int:
        return len(self.plain)

    def select(self, rows: Sequence[int]) -> "OrderEncoded":
        """The given rows of both."""
        return OrderEncoded(self.plain.select(rows), self.ordered.select(rows))


@dataclass(eq=False)
class OrderScorer(PlantedScorer):
    """Ignores word order: altogether with weight 1, less with less."""

    name = "planted-order"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.blind = CiderScorer(corpus=None if self.corpus is None else alphabetical(captions_of(self.corpus)))

    def encode(self, visuals: Sequence[References]) -> OrderEncoded:
        """The references, prepared for both CIDEr-D."""
        return OrderEncoded(self.base.encode(visuals), self.blind.encode(alphabetical(visuals)))

    def score(
        self, encoded: OrderEncoded, captions: Sequence[str], ended: Sequence[bool] | None = None
    ) -> torch.Tensor:
        """(B,) float32: (1 - weight) CIDEr-D + weight CIDEr-D of the words in alphabetical order."""
        sound = self.base.score(encoded.plain, captions, ended)
        blind = self.blind.score(encoded.ordered, [sorted_words(caption) for caption in captions], ended)
        return (1 - self.weight) * sound + self.weight * blind


def sorted_words(caption: str) -> str:
    """Its words in alphabetical order."""
    return " ".join(sorted(tokenize(caption)))


def alphabetical(references: Sequence[References]) -> list[References]:
    """References with the words of each caption in alphabetical order."""
    return [References(r.image_id, tuple(map(sorted_words, r.captions))) for r in references]


def captions_of(corpus: Corpus) -> Sequence[References]:
    """References as given, or those of the train split of a data source."""
    if not isinstance(corpus, str | Path):
        return corpus
    data = load_data(str(corpus))
    return [data.references(image) for image in data.split("train")]


def noun_lexicon(corpus: Corpus) -> frozenset[str]:
    """Word forms that are nouns (`probing_vlp.tagging`) in more than half of their occurrences in human captions."""
    captions = [" ".join(tokenize(caption)) for each in captions_of(corpus) for caption in each.captions]
    seen: Counter[str] = Counter()
    as_noun: Counter[str] = Counter()
    for tags in tag(captions, load_tagger()):
        seen.update(word for word, _ in tags)
        as_noun.update(word for word, part in tags if part in NOUNS)
    return frozenset(word for word, count in as_noun.items() if 2 * count > seen[word])
