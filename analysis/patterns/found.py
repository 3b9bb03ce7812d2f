"""What a search for sentence patterns finds (`analysis.patterns.discovery`), and how captions are told to fit it."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from analysis.patterns.notation import Alphabet
from analysis.patterns.phrases import Unit, Word, units_of, without_repeats


class FoundPattern(NamedTuple):
    """A regular expression and what is known of it from the captions it was found in."""

    kind: str
    """prefix, pattern or part."""
    regex: str
    """In the notation of Ma et al. 2023."""
    coverage: float = 0.0
    lift: float = 1.0
    steps: tuple[str, ...] = ()
    """How it was found and merged, in words."""
    by_words: bool = False
    """Whether its units are single words."""
    tail: str = ""
    """What a last component may have left, in the same notation."""
    low: float = 1.0
    """Lower end of the lift's interval."""

    @property
    def gain(self) -> float:
        """coverage times the logarithm of the lift's lower end."""
        return self.coverage * math.log(self.low)


def units_read(captions: Sequence[Sequence[Word]]) -> list[tuple[Unit, ...]]:
    """The units of captions, without repeats."""
    return [without_repeats(units_of(words)) for words in captions]


class Spelling(NamedTuple):
    """The words that are told apart, and captions spelled with them."""

    units: Alphabet
    words: Alphabet

    def spell(self, captions: Sequence[Sequence[Word]], units: Sequence[Sequence[Unit]]) -> list[tuple[str, str]]:
        """Each caption by its units, given without repeats, and by its words."""
        return [
            (self.units.spell(phrases), self.words.spell([Unit(name, (word,)) for word, name in words]))
            for words, phrases in zip(captions, units, strict=True)
        ]

    def fits(self, pattern: FoundPattern, spelled: Sequence[tuple[str, str]]) -> list[bool]:
        """Whether each caption fits."""
        alphabet = self.words if pattern.by_words else self.units
        regex = alphabet.compile(pattern.regex.removeprefix("...+").removesuffix("+...") + pattern.tail)
        match = {"prefix": regex.match, "pattern": regex.fullmatch, "part": regex.search}[pattern.kind]
        return [match(text[pattern.by_words]) is not None for text in spelled]


class Discovery(NamedTuple):
    """What was found, best first in each kind, and how to look for it in other captions."""

    patterns: tuple[FoundPattern, ...]
    spelling: Spelling


class Lift(NamedTuple):
    """How much more often something is in captions than in a baseline, with its 95% interval."""

    value: float
    low: float
    high: float


def lift_of(found: int, count: int, usual: int, base: int) -> Lift:
    """(found / count) / (usual / base), half a caption added on either side.

    The interval is that of a ratio of shares k / n and l / m on a log scale (Katz et al. 1978):
    ln lift +- 1.96 sqrt(1 / k - 1 / n + 1 / l - 1 / m).
    """
    k, n, other, m = found + 0.5, count + 1, usual + 0.5, base + 1
    value = k / n / (other / m)
    spread = math.exp(1.96 * math.sqrt(1 / k - 1 / n + 1 / other - 1 / m))
    return Lift(value, value / spread, value * spread)
