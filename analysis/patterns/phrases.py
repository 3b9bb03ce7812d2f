"""Captions as rows of phrases: the classes of Ma et al. 2023 section 4.3 (figure 1, table 5), from spaCy's tags.

A word has one class:

    NOUN    noun or proper noun; a pronoun is a noun phrase by itself
    DET     determiner, "this", "his"
    ADJ     adjective, number, "'s"; an adverb before an adjective ("very large"); a verb between a determiner or an
            adjective and a noun ("a fenced area"), which stands where an adjective does
    REL     relationship word: preposition or verb, an auxiliary that is no copula ("has", "can") among them; "to"; each
            word of "next to", "in front of" and their like
    AUX     copula, a closed list: am is are was were be been being, and "'s" where it is tagged a verb
    CONJ    co-ordinating conjunction
    THAT    "that" after a noun or before a copula; elsewhere it is a determiner ("on that bike")
    OTHER   the rest (adverbs, "not", "who", "there", foreign words that spaCy has no tag for)

Punctuation is left out.  Units are what patterns are made of: DET* ADJ* NOUN+ in any order is one noun phrase (NOUN.P),
and a determiner after a noun begins the next; an article that no noun follows ("a holding a walking") is one as well.
A run of words of one other class is one unit ("standing next to" is one REL).  IMAGE.P is a NOUN.P that holds "image".
Repeats: "playing a court playing the court" is read as "playing a court" (`without_repeats`): the same connection to
the same nouns, right after.

Not in the paper, which says which classes there are but not how a word gets its class: all of the rules above.
"""

import functools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from probing_vlp.tagging import Tagged

NOUN, DET, ADJ, REL, AUX, CONJ, THAT, OTHER = "NOUN", "DET", "ADJ", "REL", "AUX", "CONJ", "THAT", "OTHER"
PHRASE = "NOUN.P"
CLASSES = (NOUN, DET, ADJ, REL, AUX, CONJ, THAT, OTHER)
KINDS = (PHRASE, REL, AUX, CONJ, THAT, OTHER)
"""Kinds of units."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


COPULAS = _words("am is are was were be been being 'm 're")
DETERMINERS = _words("a an the this these those his her its their my your our")
ARTICLES = _words("a an")
PREPOSITIONS = _words(
    "of in on at by with near from under above across toward towards behind beside between over around through against "
    "along into onto for inside outside below beneath past off up down like"
)
COMPOUNDS = tuple(
    tuple(text.split())
    for text in ("in front of", "on top of", "next to", "close to", "out of", "because of", "away from", "in between")
)
_BY_PART = {
    "NOUN": NOUN,
    "PROPN": NOUN,
    "PRON": NOUN,
    "DET": DET,
    "ADJ": ADJ,
    "NUM": ADJ,
    "ADP": REL,
    "VERB": REL,
    "AUX": REL,
    "CCONJ": CONJ,
}
_NO_PHRASE = _words("who whom which what there where when how")
_INSIDE = frozenset((DET, ADJ, NOUN))
_kept = functools.lru_cache(maxsize=1 << 15)
"""Several analyses ask for the phrases of the same captions: those of the last ones are kept."""

Word = tuple[str, str]
"""(word, class)."""


class Unit(NamedTuple):
    """A noun phrase, or a run of words of one other class."""

    kind: str
    words: tuple[str, ...]
    nouns: tuple[str, ...] = ()
    """The nouns of a noun phrase."""

    @property
    def core(self) -> tuple[str, ...]:
        """What repeats are told by: the nouns of a noun phrase, else the words."""
        return self.nouns if self.kind == PHRASE else self.words


@_kept
def classify_words(tags: Tagged) -> tuple[Word, ...]:
    """Words and their classes, punctuation left out."""
    kept = [(word, part) for word, part in tags if part not in ("PUNCT", "SPACE")]
    found = [_class(word, part) for word, part in kept]
    _compound(kept, found)
    for i, (word, part) in enumerate(kept):
        before = found[i - 1] if i else ""
        after = found[i + 1] if i + 1 < len(kept) else ""
        if word == "that":
            found[i] = THAT if before in (NOUN, THAT) or after == AUX else DET
        elif part == "ADV" and found[i] == OTHER and after == ADJ:
            found[i] = ADJ
        elif part == "VERB" and found[i] == REL and before in (DET, ADJ) and after in (NOUN, ADJ):
            found[i] = ADJ if kept[i + 1][1] != "PRON" else REL
    return tuple((word, name) for (word, _), name in zip(kept, found, strict=True))


def _class(word: str, part: str) -> str:
    if word in COPULAS:
        return AUX
    if word in DETERMINERS:
        return DET
    if word == "'s":
        return AUX if part in ("AUX", "VERB") else ADJ
    if word in PREPOSITIONS and part in ("SCONJ", "ADV", "ADJ", "PART", "X"):
        return REL
    if word in _NO_PHRASE:
        return OTHER
    return REL if (word, part) == ("to", "PART") else _BY_PART.get(part, OTHER)


def _compound(kept: Sequence[Word], found: list[str]) -> None:
    """ "in front of" and its like become prepositions as a whole."""
    words = tuple(word for word, _ in kept)
    for i in range(len(words) - 1):
        for compound in COMPOUNDS:
            if words[i] == compound[0] and words[i : i + len(compound)] == compound:
                found[i : i + len(compound)] = [REL] * len(compound)


def units_of(words: Sequence[Word]) -> tuple[Unit, ...]:
    """Noun phrases and runs, in their order, repeats included."""
    return _units(tuple(words))


@_kept
def _units(words: tuple[Word, ...]) -> tuple[Unit, ...]:
    return tuple(
        Unit(kind, tuple(word for word, _ in run), tuple(word for word, name in run if name == NOUN))
        for kind, run in _runs(words)
    )


def _runs(words: Sequence[Word]) -> Iterator[tuple[str, list[Word]]]:
    run: list[Word] = []
    kind = ""
    for word, name in words:
        new = PHRASE if name in _INSIDE else name
        begins = new == PHRASE and name == DET and run and run[-1][1] != DET
        if run and (new != kind or begins):
            yield kind, run
            run = []
        run.append((word, name))
        kind = new
    if run:
        yield kind, run


def without_repeats(units: Sequence[Unit]) -> tuple[Unit, ...]:
    """Noun phrases that say again what the one before said, by the same connection or by none, are left out."""
    return _without_repeats(tuple(units))


@_kept
def _without_repeats(units: tuple[Unit, ...]) -> tuple[Unit, ...]:
    kept: list[Unit] = []
    for unit in units:
        kept.append(unit)
        for step in (1, 2):  # "a man a man"; "playing a court playing the court"
            tail = kept[-2 * step :]
            if len(tail) == 2 * step and unit.kind == PHRASE and unit.nouns and _same(tail[:step], tail[step:]):
                del kept[-step:]
                break
    return tuple(kept)


def _same(first: Sequence[Unit], second: Sequence[Unit]) -> bool:
    return all(a.kind == b.kind and a.core == b.core for a, b in zip(first, second, strict=True))
