"""Classes of words, noun phrases and repeats, and patterns in the paper's notation: all of it derived by hand."""

import pytest

from analysis.patterns.notation import Alphabet, Letter
from analysis.patterns.phrases import (
    ADJ,
    AUX,
    CONJ,
    DET,
    NOUN,
    OTHER,
    PHRASE,
    REL,
    THAT,
    Unit,
    Word,
    classify_words,
    units_of,
    without_repeats,
)
from probing_vlp.tagging import Tagged


def tags(text: str) -> Tagged:
    """ "a/DET dog/NOUN" as the tagger gives it."""
    return tuple((word, part) for word, _, part in (token.rpartition("/") for token in text.split()))


def classes(text: str) -> list[str]:
    return [name for _, name in classify_words(tags(text))]


def words(text: str) -> list[Word]:
    return list(tags(text))


def units(text: str) -> list[Unit]:
    return units_of(words(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (",/PUNCT ./PUNCT", []),
        ("two/NUM tall/ADJ dogs/NOUN ,/PUNCT it/PRON", [ADJ, ADJ, NOUN, NOUN]),
        ("his/PRON kite/PROPN flies/VERB to/PART it/PRON", [DET, NOUN, REL, REL, NOUN]),
        ("it/PRON was/AUX 's/AUX has/AUX 's/PART", [NOUN, AUX, AUX, REL, ADJ]),
        ("a/DET bird/NOUN that/PRON the/DET kite/NOUN", [DET, NOUN, THAT, DET, NOUN]),
        ("on/ADP that/DET bike/NOUN", [REL, DET, NOUN]),
        ("that/PRON is/AUX red/ADJ", [THAT, AUX, ADJ]),
        ("a/DET fenced/VERB area/NOUN", [DET, ADJ, NOUN]),
        ("a/DET touching/VERB a/DET dog/NOUN", [DET, REL, DET, NOUN]),
        ("a/DET man/NOUN holding/VERB dogs/NOUN", [DET, NOUN, REL, NOUN]),
        ("next/ADV to/ADP each/DET other/ADJ", [REL, REL, DET, ADJ]),
        ("a/DET van/NOUN in/ADP front/NOUN of/ADP me/PRON", [DET, NOUN, REL, REL, REL, NOUN]),
        ("very/ADV big/ADJ but/CCONJ not/PART there/PRON quickly/ADV", [ADJ, ADJ, CONJ, OTHER, OTHER, OTHER]),
        ("dog/NOUN near/SCONJ while/SCONJ 犬/X", [NOUN, REL, OTHER, OTHER]),
    ],
)
def test_classes(text: str, expected: list[str]) -> None:
    assert classes(text) == expected


def test_a_determiner_after_a_noun_begins_the_next_phrase() -> None:
    found = units("a/DET a/DET young/ADJ man/NOUN man/NOUN a/DET dog/NOUN parked/REL near/REL a/DET holding/REL")
    assert [(unit.kind, " ".join(unit.words)) for unit in found] == [
        (PHRASE, "a a young man man"),
        (PHRASE, "a dog"),
        (REL, "parked near"),
        (PHRASE, "a"),
        (REL, "holding"),
    ]
    assert found[0].nouns == ("man", "man")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a/DET group/NOUN playing/REL a/DET court/NOUN playing/REL the/DET court/NOUN", "group playing court"),
        ("a/DET man/NOUN of/REL a/DET horse/NOUN of/REL a/DET field/NOUN", "man of horse of field"),
        ("a/DET sink/NOUN a/DET sink/NOUN a/DET big/ADJ sink/NOUN", "sink"),
        ("sink/NOUN but/CONJ sink/NOUN but/CONJ sink/NOUN", "sink but sink"),
        ("a/DET holding/REL a/DET holding/REL a/DET", " holding  holding "),  # no nouns that could repeat
    ],
)
def test_repeats(text: str, expected: str) -> None:
    assert " ".join(" ".join(unit.core) for unit in without_repeats(units(text))) == expected


ALPHABET = Alphabet(("image",), ("of", "near", "that", "is"))


@pytest.mark.parametrize(
    ("notation", "text", "whole"),
    [
        ("(NOUN.P)*+REL", "of/REL", False),  # the star is one or more
        ("(NOUN.P)*+REL", "a/DET man/NOUN a/DET man/NOUN of/REL", True),
        ("a+IMAGE.P+of", "a/DET closeup/NOUN image/NOUN of/REL of/REL", True),
        ("a+IMAGE.P+of", "the/DET image/NOUN of/REL", False),
        ("IMAGE.P+of", "the/DET image/NOUN of/REL", True),
        ("a+IMAGE.P+of", "an/DET image/NOUN parked/REL of/REL", False),  # the unit is more than "of"
        ("a+IMAGE.P+REL", "an/DET image/NOUN parked/REL of/REL", True),
        ("NOUN.P+that+(is)?", "image/NOUN that/THAT", True),
        ("NOUN.P+that+(is)?", "image/NOUN that/THAT was/AUX", False),
        ("NOUN.P+THAT+AUX", "image/NOUN that/THAT was/AUX", True),
        ("NOUN.P+((near|of)+NOUN.P)*", "dog/NOUN near/REL a/DET cat/NOUN of/REL rats/NOUN", True),
        ("NOUN.P+...+NOUN.P", "dog/NOUN near/REL it/OTHER cat/NOUN", True),
    ],
)
def test_notation(notation: str, text: str, whole: bool) -> None:
    assert (ALPHABET.compile(notation).fullmatch(ALPHABET.spell(units(text))) is not None) == whole


def test_letters() -> None:
    phrase, link = units("an/DET image/NOUN near/REL near/REL")
    assert ALPHABET.letter(phrase) == Letter(PHRASE, "image", True)
    assert ALPHABET.letter(link) == Letter(REL, "near")
    with pytest.raises(ValueError, match="under is neither a kind of unit nor a word"):
        ALPHABET.compile("NOUN.P+under")
