"""Which of the five models' prefixes and patterns a caption fits, and which one fits best.

A caption may fit several of `analysis.patterns.named`; the best one is found so, by the first rule that decides:

1. ROSITA's prefix 1 or CLIP's prefix: they name the word "image" and what follows it.
2. A prefix with "that": ROSITA's or ViLBERT's, whichever reads more units of the caption; ROSITA's if as many.
3. If the caption is packed (below): UNITER, if it fits UNITER's pattern or is noun phrases alone; LXMERT, if it fits
   LXMERT's pattern; a caption that is no more than their common prefix is LXMERT's if it ends in a verb (appendix A:
   verbs are frequent in LXMERT's captions alone), else UNITER's.
4. None.

Rule 3 asks for more than the paper does because plain English has the form of UNITER's and LXMERT's patterns too: "a
man riding a horse in a field".  By section 4.3 the captions of all five "pack noun phrases together".  A caption is
packed by one of these signs:

    the same word twice running ("man man", "a a")      four nouns running ("person guy background bicycle")
    a noun again in the next noun phrase ("a court playing the court"; a final s aside)
    an article without a noun ("a holding a walking")
    two connections or more, all of them one word ("of a horse of a field")
    no more than X of the Y, UNITER's template in table 7 ("a man of the horse field")
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from analysis.patterns.named import FORMS, MARKED_NOUNS, NOUNS_ALONE, WORDS, Form
from analysis.patterns.notation import Alphabet
from analysis.patterns.phrases import ARTICLES, NOUN, PHRASE, PREPOSITIONS, REL, Unit, Word, without_repeats

PILE = 4
ALPHABET = Alphabet(MARKED_NOUNS, WORDS)
_COMPILED = {
    form: (ALPHABET.compile(form.prefix), ALPHABET.compile(form.pattern), ALPHABET.compile(form.reach))
    for form in FORMS
}
_ALONE = ALPHABET.compile(NOUNS_ALONE)
_BY_KEY = {(form.model, form.name): form for form in FORMS}
_IMAGE_FORMS = [_BY_KEY["ROSITA", "1"], _BY_KEY["CLIP", "1"]]
_THAT_FORMS = [_BY_KEY["ROSITA", "2"], _BY_KEY["ROSITA", "1-is-optional"], _BY_KEY["ViLBERT", "1"]]
_UNITER, _LXMERT = _BY_KEY["UNITER", "1"], _BY_KEY["LXMERT", "1"]


class Fits(NamedTuple):
    """What one caption fits."""

    prefixes: frozenset[tuple[str, str]]
    """(model, name of the prefix)."""
    patterns: frozenset[tuple[str, str]]
    """Those of them whose pattern is the whole caption."""
    nouns_alone: bool
    """Noun phrases and nothing else, packed."""
    signs: tuple[str, ...]
    """Of packing; none for plain English."""
    best: str
    """The model, empty where none of the five fits."""
    why: str


def fits_of(words: Sequence[Word], units: Sequence[Unit]) -> Fits:
    """All prefixes and patterns of a caption, and the best of them; `units` still hold their repeats."""
    plain = without_repeats(units)
    spelled = ALPHABET.spell(plain)
    prefixes = {form for form, (prefix, _, _) in _COMPILED.items() if prefix.match(spelled)}
    if _IMAGE_FORMS[0] in prefixes:
        prefixes.discard(_THAT_FORMS[0])  # prefix 2 is what prefix 1 leaves
    patterns = {form for form in prefixes if _COMPILED[form][1].fullmatch(spelled)}
    signs = packing(words, units)
    alone = bool(signs and _ALONE.fullmatch(spelled))
    best, why = _best(plain, spelled, prefixes, patterns, bool(signs), alone)
    return Fits(_keys(prefixes), _keys(patterns), alone, signs, best, why)


def _keys(forms: set[Form]) -> frozenset[tuple[str, str]]:
    return frozenset((form.model, form.name) for form in forms)


def _best(
    units: Sequence[Unit], spelled: str, prefixes: set[Form], patterns: set[Form], packed: bool, alone: bool
) -> tuple[str, str]:
    def reach(form: Form) -> int:
        found = _COMPILED[form][2].match(spelled)
        return found.end() if found else 0

    named = [form for form in _IMAGE_FORMS if form in prefixes] or sorted(
        (form for form in _THAT_FORMS if form in prefixes), key=lambda form: (-reach(form), _THAT_FORMS.index(form))
    )
    if named:
        form = named[0]
        far = "the whole caption" if form in patterns else f"{reach(form)} of {len(units)} units"
        return form.model, f"prefix {form.name} {form.prefix}, pattern reads {far}"
    if not packed:
        return "", "fits none of the five" if not patterns else "no sign of packing: plain English has this form too"
    if alone:
        return "UNITER", "noun phrases alone, packed"
    for form in (_UNITER, _LXMERT):
        if form in patterns:
            return form.model, f"prefix {form.prefix}, pattern reads the whole caption"
    if len(units) > 1 and units[-1].kind == REL and all(unit.kind == PHRASE for unit in units[:-1]):
        model = "UNITER" if units[-1].words[-1] in PREPOSITIONS else "LXMERT"
        return model, f"no more than the prefix {_UNITER.prefix}"
    return "", "fits none of the five"


def packing(words: Sequence[Word], units: Sequence[Unit]) -> tuple[str, ...]:
    """The signs of packing in a caption, each with its place."""
    signs = [f"{word} {word}" for (word, _), (after, _) in pairwise(words) if word == after][:1]
    names = [name for _, name in words]
    pile = next((i for i in range(len(names) - PILE + 1) if names[i : i + PILE] == [NOUN] * PILE), None)
    if pile is not None:
        signs.append(" ".join(word for word, _ in words[pile : pile + PILE]))
    phrases = [unit for unit in units if unit.kind == PHRASE]
    stems = [{noun.rstrip("s") for noun in unit.nouns} for unit in phrases]
    again = next((sorted(one & two)[0] for one, two in pairwise(stems) if one & two), None)
    if again is not None:
        signs.append(f"{again} … {again}")
    signs += ["article without a noun" for unit in phrases if set(unit.words) <= ARTICLES][:1]
    links = [unit.words for unit in units if unit.kind != PHRASE]
    if len(links) > 1 and len(set(links)) == 1 and len(links[0]) == 1:
        signs.append(f"{links[0][0]} … {links[0][0]}")
    if [unit.kind for unit in units] == [PHRASE, REL, PHRASE] and (*units[1].words, units[2].words[0]) == ("of", "the"):
        signs.append("of the")
    return tuple(signs)
