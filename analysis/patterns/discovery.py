"""Sentence patterns found in captions, where Ma et al. 2023 (section 4.1, figure 1) summarised them by hand.

Its way is kept: words get classes (`phrases`), n-grams of classes and words are counted (n = 1 ... 5), noun
phrases and repeats are merged, and a few regular expressions in its notation sum them up (`notation`):

    prefix    a+CLOSEUP.P+of                      how captions begin: a noun phrase and up to four units
    pattern   a+CLOSEUP.P+of+((near)?+NOUN.P)*    the whole caption; what joins its noun phrases (a last component may
                                                  be cut short, as in `analysis.patterns.named`)
    part      ...+NOUN.P+but+NOUN.P+...           an n-gram of units, or of words (NOUN+NOUN+NOUN), anywhere

With c the share of captions that fit and b the share of a baseline, such as human captions of the same images, lift is
c / b, and gain c ln(c / b), with the lower end of the lift's interval (`found.lift_of`) for the lift: what the
pattern adds to the divergence of the captions from the baseline, for certain.  How it is searched:

1. Words told apart: connecting words in LEAST of the captions; words of any class in LEAST of them and more often than
   in the baseline by TWICE.  A noun phrase with such a noun is named after it, as IMAGE.P is.
2. Prefixes: the n-gram at the start of greatest gain (of those near to it the longest, words before classes), then
   that of the captions left, at most PREFIXES, while lift is TWICE and gain PREFIX_GAIN.  If nothing is, the most
   frequent beginning stands there, with its lift near 1.
3. Patterns: for each prefix, and for captions of any beginning, connections are added to (NOUN.P)* one by one, always
   the one by which most more captions fit, while that is COST of those with the prefix; twice that for a class.
4. Parts: n-grams of greatest gain, at least PART_GAIN at PART_LIFT (more than of prefixes, for thousands are tried).
   One that shares a word with one chosen before, contains or is contained in it, or is in the same captions, is left
   out; so is one that is in the captions of a prefix with a name ("a+CLOSEUP.P+of").

Everything is a function of the captions' words: no random numbers, and no order of captions.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby, islice

import numpy as np

from analysis.patterns.found import Discovery, FoundPattern, Lift, Spelling, lift_of, units_read
from analysis.patterns.ngrams import Gram, Place, count_grams
from analysis.patterns.notation import Alphabet
from analysis.patterns.phrases import ADJ, CLASSES, DET, KINDS, NOUN, OTHER, PHRASE, Unit, Word

LEAST, TWICE, COST = 0.05, 2.0, 0.03
PREFIX_GAIN, PART_LIFT, PART_GAIN = 0.25, 3.0, 0.45
PREFIXES, PARTS, CONNECTIONS = 3, 5, 4
NEARLY = 0.97
"""Share of the greatest gain from which a longer prefix is preferred."""
SHORTLIST = 60
"""n-grams that are looked at closely, the best by gain."""
SAME = 0.6
"""Overlap (intersection over union) from which two sets of captions count as the same."""
_NAMED = re.compile(r"(?:a\+)?([^+()]+\.P)")
ALWAYS = 0.95
"""Share of a prefix's captions from which an article before it counts as part of it."""
RUN = f"({PHRASE})*"
_PLAIN = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
"""Words that the notation can hold."""


def discover(captions: Sequence[Sequence[Word]], baseline: Sequence[Sequence[Word]]) -> Discovery:
    """The patterns of captions, given as words with their classes; of no captions, nothing."""
    search = _Search(captions, baseline)
    if not any(captions):
        return Discovery((), search.spelling)
    prefixes = search.prefixes()
    return Discovery((*prefixes, *search.patterns(prefixes), *search.parts(prefixes)), search.spelling)


class _Search:
    """Captions and baseline, spelled once, and the three searches."""

    def __init__(self, captions: Sequence[Sequence[Word]], baseline: Sequence[Sequence[Word]]) -> None:
        self.count, self.base = len(captions), len(baseline)
        self.least = max(1, math.ceil(LEAST * self.count))
        self.spelling = self._spelling(captions, baseline)
        self.units, usual_units = units_read(captions), units_read(baseline)
        self.spelled = self.spelling.spell(captions, self.units)
        self.usual = self.spelling.spell(baseline, usual_units)
        self.unit_places, self.usual_places = (list(map(self._unit_places, u)) for u in (self.units, usual_units))
        self.word_places = [self._word_places(words) for words in captions], [self._word_places(w) for w in baseline]

    def _spelling(self, captions: Sequence[Sequence[Word]], baseline: Sequence[Sequence[Word]]) -> Spelling:
        found, usual = (Counter(word for words in group for word in set(words)) for group in (captions, baseline))
        told = [pair for pair, count in found.items() if count >= self.least and _PLAIN.fullmatch(pair[0])]
        gain = {pair: self._gain(found[pair], usual[pair]) for pair in told}
        lifted = {pair for pair in told if self._lift(found[pair], usual[pair]).value >= TWICE}
        order = sorted(told, key=lambda pair: (-gain[pair], pair))
        nouns = [word for word, name in order if name == NOUN and (word, name) in lifted]
        links = {word for word, name in told if name not in (NOUN, DET, ADJ)}
        return Spelling(Alphabet(nouns, sorted(links)), Alphabet((), sorted({w for w, _ in lifted}), CLASSES))

    def _unit_places(self, units: Sequence[Unit]) -> list[Place]:
        places: list[Place] = []
        for kind, group in groupby(units, key=lambda unit: unit.kind):
            run = list(group)
            mark = self.spelling.units.letter(run[0]).mark if len(run) == 1 or kind != PHRASE else ""
            places.append((RUN, mark and f"{mark.upper()}.P") if kind == PHRASE else (kind, mark))
        return places

    def _word_places(self, words: Sequence[Word]) -> list[Place]:
        return [(name, word if word in self.spelling.words.words else "") for word, name in words]

    def _lift(self, found: int, usual: int) -> Lift:
        return lift_of(found, self.count, usual, self.base)

    def _gain(self, found: int, usual: int) -> float:
        return found / self.count * math.log(self._lift(found, usual).low)

    def _gainful(self, grams: Iterable[Gram], lift: float, gain: float) -> list[Gram]:
        """Those with lift and gain enough, best first."""
        enough = (
            g for g in grams if self._lift(g.found, g.usual).value >= lift and self._gain(g.found, g.usual) >= gain
        )
        return sorted(enough, key=lambda g: (-round(self._gain(g.found, g.usual), 3), -len(g.labels), g.labels))

    def _fullest(self, gainful: Sequence[Gram]) -> Gram:
        """Of those that gain nearly as much as the first, the longest, and then that of most words."""
        first = self._gain(gainful[0].found, gainful[0].usual)
        near = [g for g in gainful if self._gain(g.found, g.usual) >= NEARLY * first]
        return max(near, key=lambda g: (len(g.labels), sum(n not in (*CLASSES, RUN) for n in g.labels)))

    def _measured(self, pattern: FoundPattern) -> FoundPattern:
        found, usual = (sum(self.spelling.fits(pattern, texts)) for texts in (self.spelled, self.usual))
        lift = self._lift(found, usual)
        return pattern._replace(coverage=found / self.count, lift=lift.value, low=lift.low)

    def prefixes(self) -> list[FoundPattern]:
        """At most PREFIXES, each of captions that those before it leave; one of any lift if none has gain."""
        chosen: list[FoundPattern] = []
        left, usual = self.unit_places, self.usual_places
        taken, passed = [False] * self.count, [False] * self.base
        while len(chosen) < PREFIXES:
            left = [places for places, gone in zip(self.unit_places, taken, strict=True) if not gone]
            usual = [places for places, gone in zip(self.usual_places, passed, strict=True) if not gone]
            grams = [g for g in count_grams(left, usual, self.least, at_start=True) if _begins(g.labels)]
            gainful = self._gainful(grams, TWICE, PREFIX_GAIN)
            if not gainful and (chosen or not grams):
                break
            gram = self._fullest(gainful) if gainful else max(grams, key=lambda g: (g.found, len(g.labels), g.labels))
            chosen.append(self._prefix(gram))
            taken = [a or b for a, b in zip(taken, self.spelling.fits(chosen[-1], self.spelled), strict=True)]
            passed = [a or b for a, b in zip(passed, self.spelling.fits(chosen[-1], self.usual), strict=True)]
            if not gainful:
                break
        return chosen

    def _prefix(self, gram: Gram) -> FoundPattern:
        found = self._measured(FoundPattern("prefix", "+".join(gram.labels)))
        if found.regex.split("+")[0].endswith(".P"):
            led = self._measured(FoundPattern("prefix", f"a+{found.regex}"))
            found = led if led.coverage >= ALWAYS * found.coverage else found
        fits = self.spelling.fits(found, self.spelled)
        size = len(gram.labels)
        wordings = Counter(
            " ".join(word for unit in units[:size] for word in unit.words)
            for units, fit in zip(self.units, fits, strict=True)
            if fit
        )
        ways = "; ".join(f'"{text}" {count / self.count:.1%}' for text, count in _first(wordings, 3))
        merged = f"{len(wordings)} wordings merged, such as {ways}" if len(wordings) > 1 else f"worded {ways}"
        return found._replace(steps=(f"{size}-gram at the start of {gram.found / self.count:.1%}", merged))

    def patterns(self, prefixes: Sequence[FoundPattern]) -> list[FoundPattern]:
        """For each prefix of gain, and for any beginning, the whole caption; best gain first."""
        begun = [found.regex for found in prefixes if found.lift >= TWICE]
        found = [pattern for prefix in (*begun, "") if (pattern := self._pattern(prefix)).coverage >= LEAST]
        return sorted(found, key=lambda pattern: (-round(pattern.gain, 3), -pattern.coverage, pattern.regex))

    def _pattern(self, prefix: str) -> FoundPattern:
        begins = self.spelling.units.compile(prefix)
        texts = Counter(units for units, _ in self.spelled if begins.match(units))
        all_of = max(texts.total(), 1)
        names = sorted({place[1] or place[0] for places in self.unit_places for place in places if place[0] != RUN})
        options = [*names, *(kind for kind in KINDS if kind not in (PHRASE, OTHER, *names))]

        def covered(links: Sequence[str]) -> int:
            regex = self.spelling.units.compile(_loop(prefix, links) + _tail(links))
            return sum(count for text, count in texts.items() if regex.fullmatch(text))

        links: tuple[str, ...] = ()
        reached = covered(links)
        steps = [f"{prefix} begins {all_of / self.count:.1%}"] if prefix else []
        steps.append(f"{_loop(prefix, ())} {reached / self.count:.1%}")
        while len(links) < CONNECTIONS:
            tried = {
                (*links[:i], name, *links[i:]): name
                for name in options
                if name not in links
                for i in range(len(links) + 1)
            }
            worth = {
                more: (covered(more) - reached) / all_of - COST * (2 if name in KINDS else 1)
                for more, name in tried.items()
            }
            best = min(worth, key=lambda more: (-round(worth[more], 6), more), default=links)
            if best == links or worth[best] <= 0:
                break
            links, reached = best, covered(best)
            steps.append(f"with {tried[best]} {reached / self.count:.1%}")
        return self._measured(FoundPattern("pattern", _loop(prefix, links), steps=tuple(steps), tail=_tail(links)))

    def parts(self, prefixes: Sequence[FoundPattern]) -> list[FoundPattern]:
        """At most PARTS n-grams that may stand anywhere, told apart from each other and from what a prefix names."""
        by_words = dict.fromkeys(count_grams(self.unit_places, self.usual_places, self.least), False)
        by_words |= dict.fromkeys(count_grams(*self.word_places, self.least), True)
        named = [prefix for prefix in prefixes if _name(prefix)]
        told: list[tuple[str, ...]] = [(_name(prefix),) for prefix in named]
        sets = [np.array(self.spelling.fits(prefix, self.spelled)) for prefix in named]
        chosen: list[FoundPattern] = []
        gainful = (
            gram
            for gram in self._gainful(by_words, PART_LIFT, PART_GAIN)
            if not any(_akin(gram.labels, other) for other in told)
        )
        for gram in islice(gainful, SHORTLIST):
            step = f"{len(gram.labels)}-gram of {'words' if by_words[gram] else 'units'}"
            found = self._measured(FoundPattern("part", _part(gram.labels), steps=(step,), by_words=by_words[gram]))
            fits = np.array(self.spelling.fits(found, self.spelled))
            if found.lift >= PART_LIFT and all((fits & other).sum() <= SAME * (fits | other).sum() for other in sets):
                sets.append(fits)
                told.append(gram.labels)
                chosen.append(found)
            if len(chosen) == PARTS:
                break
        return chosen


def _name(prefix: FoundPattern) -> str:
    """The phrase that a prefix names, "CLOSEUP.P" of "a+CLOSEUP.P+of"; empty where it names none."""
    found = _NAMED.match(prefix.regex)
    return found[1] if found else ""


def _first(counter: Counter[str], count: int) -> list[tuple[str, int]]:
    return sorted(counter.items(), key=lambda item: (-item[1], item[0]))[:count]


def _begins(labels: tuple[str, ...]) -> bool:
    """A beginning has a noun phrase at its first place or nowhere, and says more than that there is one."""
    return labels != (RUN,) and not any(label == RUN or label.endswith(".P") for label in labels[1:])


def _loop(prefix: str, links: Sequence[str]) -> str:
    loop = f"({'+'.join([*(f'({name})?' for name in links), PHRASE])})*"
    return f"{prefix}+{loop}" if prefix else loop


def _tail(links: Sequence[str]) -> str:
    return "".join(f"+({name})?" for name in links)


def _part(labels: tuple[str, ...]) -> str:
    """A run of noun phrases at either end is told by its nearest."""
    ends = (0, len(labels) - 1)
    inner = "+".join(PHRASE if label == RUN and i in ends else label for i, label in enumerate(labels))
    return f"...+{inner}+..."


def _akin(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether two n-grams share a word, or one is within the other."""
    words = {label.removesuffix(".P").lower() for label in one if label not in (*CLASSES, RUN)}
    if words & {label.removesuffix(".P").lower() for label in other if label not in (*CLASSES, RUN)}:
        return True
    short, long = sorted((one, other), key=len)
    return any(long[i : i + len(short)] == short for i in range(len(long) - len(short) + 1))
