"""Sentence patterns in the notation of Ma et al. 2023 (table 5), as regular expressions over units.

    NOUN.P REL AUX CONJ THAT OTHER   a unit of that kind (`analysis.patterns.phrases`)
    IMAGE.P                          a noun phrase that holds the word "image" (any word in capitals: CLOSEUP.P)
    a+IMAGE.P                        such a phrase that begins with an article, "a" or "an"
    of, that, is                     a unit made of that word alone, repeated or not
    X+Y   (X|Y)                      X then Y, X or Y
    (X)*  (X)?                       X ONE or more times (the paper's star, figure 1), X zero or one time
    ...                              anything, or nothing

A caption is spelled with one character a unit, and repetition is possessive: it never gives back what it took, so
that matching takes time linear in the caption for patterns of one loop.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from analysis.patterns.phrases import ARTICLES, KINDS, PHRASE, Unit

_TOKEN = re.compile(r"a\+[^\s+()|*?]+\.P|\.\.\.|[^\s+()|*?]+|[+()|*?]")
_FIXED = {"(": "(?:", ")": ")", "*": "++", "?": "?+", "|": "|", "+": "", "...": ".*?"}
_FIRST = 0x4E00  # a block of the Unicode table that is letters throughout: no character of it means anything to `re`

MOST_KNOWN = 1 << 16
"""Units whose letters are kept at hand."""


class Letter(NamedTuple):
    """What one character stands for."""

    kind: str
    mark: str = ""
    """The word that sets the unit apart from others of its kind, or none."""
    led: bool = False
    """Whether a noun phrase begins with an article."""


class Alphabet:
    """Letters for units, given the words that are told apart: nouns that name a phrase, and connecting words.

    With the classes of words as `kinds`, units are words, and any word can be told apart.
    """

    def __init__(self, nouns: Sequence[str], words: Sequence[str], kinds: Sequence[str] = KINDS) -> None:
        self.nouns = {noun: i for i, noun in enumerate(nouns)}
        self.words = frozenset(words)
        self.kinds = frozenset(kinds)
        letters = [Letter(PHRASE, noun, led) for noun in ("", *nouns) for led in (False, True) if PHRASE in kinds]
        letters += [Letter(kind, word) for kind in kinds if kind != PHRASE for word in ("", *sorted(self.words))]
        self.letters = {letter: chr(_FIRST + i) for i, letter in enumerate(letters)}
        self._known: dict[Unit, str] = {}

    def letter(self, unit: Unit) -> Letter:
        """What a unit is spelled as; of several marked nouns the first in the order given counts."""
        if unit.kind == PHRASE:
            marks = [self.nouns[noun] for noun in unit.nouns if noun in self.nouns] if self.nouns else []
            return Letter(PHRASE, list(self.nouns)[min(marks)] if marks else "", unit.words[0] in ARTICLES)
        first = unit.words[0]
        alone = first in self.words and (len(unit.words) == 1 or set(unit.words) == {first})
        return Letter(unit.kind, first if alone else "")

    def spell(self, units: Sequence[Unit]) -> str:
        """One character a unit."""
        return "".join([self._known.get(unit) or self._learn(unit) for unit in units])

    def _learn(self, unit: Unit) -> str:
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known[unit] = self.letters[self.letter(unit)]
        return self._known[unit]

    def compile(self, notation: str) -> re.Pattern[str]:
        """The regular expression of a pattern; its words must be among those told apart."""
        tokens = _TOKEN.findall(notation)
        return re.compile("".join(_FIXED[token] if token in _FIXED else self._set(token) for token in tokens))

    def _set(self, token: str) -> str:
        chosen = [sign for letter, sign in self.letters.items() if self._stands_for(token, letter)]
        if not chosen:
            raise ValueError(f"pattern: {token} is neither a kind of unit nor a word that is told apart")
        return f"[{''.join(chosen)}]"

    def _stands_for(self, token: str, letter: Letter) -> bool:
        if token in self.kinds:
            return letter.kind == token
        if token.endswith(".P"):
            led = token.startswith("a+")
            return letter.kind == PHRASE and letter.mark == token[2 * led : -2].lower() and letter.led >= led
        return letter.kind != PHRASE and letter.mark == token
