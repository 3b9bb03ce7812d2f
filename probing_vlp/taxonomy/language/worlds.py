"""Worlds in words, and yes/no questions about them: what a text says is there, and what it does not say.

    "a dog and a red car on a street."   Is there a dog in this image? Yes    Is there an animal in this image? Yes
                                         Is there a cat in this image? No     Is there fruit in this image? No

A world is a caption (a person's words, `caption_worlds`) or made up (`made_up_worlds`): a list ("two dogs, a car and a
puppy") or bare words in any order, each said once or several times, among words for places and colours ("dog street dog
car").  It is closed: what it does not name is not there.  A leaf is named by its surface form, its plural and its other
words; the longest name wins ("hot dog" is no dog).

The projector of the experiment puts an image's tokens where the world stands, patch beside patch and in no sentence's
order; that is why there are bare words.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from probing_vlp.data.closed_class import listed
from probing_vlp.data.text import tokenize
from probing_vlp.taxonomy.grammar import plural, with_article
from probing_vlp.taxonomy.prompts import question_text
from probing_vlp.taxonomy.records import Concept, Kind, Taxonomy

COUNTS = ("two", "three", "several", "some")
JOINTS = (", ", " and ", " next to ", " with ", " near ")
FILLERS = sorted(
    listed(
        "street road field grass sky water snow beach kitchen room table wall floor window building tree park city "
        "house white black red green blue yellow brown wooden large small old young sitting standing walking holding "
        "playing near front top background"
    )
)
"""Words that stand between the names in bare words; those that name a leaf are left out."""


NAMING: dict[Kind, str] = {"leaf": "Something in this image:", "hypernym": "Some kind of object in this image:"}
"""To be completed by a name: says more in one answer than Yes does."""


class Names:
    """The words that each of some concepts goes by."""

    def __init__(self, concepts: Mapping[str, Concept]) -> None:
        self._ids: dict[tuple[str, ...], str] = {}
        for key, concept in sorted(concepts.items()):
            for name in names_of(concept):
                self._ids.setdefault(tuple(tokenize(name)), key)
        self._ids.pop((), None)
        self._longest: dict[str, int] = {}
        for words in self._ids:
            self._longest[words[0]] = max(len(words), self._longest.get(words[0], 0))

    def find(self, text: str) -> frozenset[str]:
        """Ids of the concepts that a text names, whole words only, of overlapping names the first and longest."""
        words, found, at = tokenize(text), set(), 0
        while at < len(words):
            for width in range(self._longest.get(words[at], 0), 0, -1):
                name = self._ids.get(tuple(words[at : at + width]))
                if name is not None and at + width <= len(words):
                    found.add(name)
                    at += width - 1
                    break
            at += 1
        return frozenset(found)


def names_of(concept: Concept) -> tuple[str, ...]:
    """Surface form, plural, id, and the other words in singular and plural."""
    others = [form for word in concept.words for form in (word, plural(word))]
    return tuple(dict.fromkeys([concept.surface, concept.plural, concept.id, *others]))


class World(NamedTuple):
    """A text and the leaves that it names."""

    text: str
    leaves: frozenset[str]
    sort: str
    """caption, list or words."""


class Asked(NamedTuple):
    """A question about a world, and its answer by the world alone."""

    concept: str
    kind: Kind
    leaf: str
    """The first of the world's leaves that answer it with Yes; for a No the first of its leaves, if it has any."""
    gold: bool
    text: str


def caption_worlds(
    captions: Iterable[str], taxonomy: Taxonomy, names: Names, count: int, rng: np.random.Generator
) -> list[World]:
    """Up to `count` of the captions, the rarer leaves first served; one in twenty names no leaf.

    Half of them lose their full stop, one in four is cut down to its words, in any order.
    """
    captions = list(captions)
    worlds: list[World] = []
    most, seen, empty = max(1, 3 * count // len(taxonomy.leaves)), Counter[str](), 0
    for row in rng.permutation(len(captions)):
        if len(worlds) == count:
            break
        words = tokenize(captions[row])
        leaves = names.find(captions[row])
        if not 2 < len(words) < 25 or (not leaves and empty * 20 >= count):
            continue
        if leaves and min(seen[leaf] for leaf in leaves) >= most:
            continue
        seen.update(leaves)
        empty += not leaves
        worlds.append(_in_words(World(" ".join(words), leaves, "caption"), names, rng))
    return worlds


def _in_words(world: World, names: Names, rng: np.random.Generator) -> World:
    """A caption as it is, with its full stop, or with its words shuffled, if they then name the same."""
    chance = rng.random()
    if chance < 0.25:
        shuffled = " ".join(rng.permutation(world.text.split()))
        return World(shuffled, world.leaves, "words") if names.find(shuffled) == world.leaves else world
    return world._replace(text=f"{world.text}.") if chance < 0.6 else world


def made_up_worlds(taxonomy: Taxonomy, names: Names, count: int, rng: np.random.Generator) -> Iterator[World]:
    """Worlds of one to five leaves, each leaf as often as any other: by turns a list and bare words."""
    leaves = sorted(taxonomy.leaves)
    fillers = [word for word in FILLERS if not names.find(word)]
    deck: list[str] = []
    for turn in range(count):
        size = int(rng.integers(1, 6))
        if len(deck) < size:
            deck = [leaves[i] for i in rng.permutation(len(leaves))] + deck
        drawn = [taxonomy.leaves[deck.pop()] for _ in range(min(size, len(leaves)))]
        text = _bare_words(drawn, fillers, rng) if turn % 2 else _listing(drawn, rng)
        # a word of one leaf may complete a longer name of another: what the text names counts
        yield World(text, names.find(text), "words" if turn % 2 else "list")


def _called(concept: Concept, rng: np.random.Generator) -> str:
    """Mostly its surface form, one time in four another word."""
    other = bool(concept.words) and rng.random() < 0.25
    return concept.words[int(rng.integers(len(concept.words)))] if other else concept.surface


def _listing(concepts: Sequence[Concept], rng: np.random.Generator) -> str:
    parts = []
    for concept in concepts:
        name = _called(concept, rng)
        if concept.mass:
            parts.append(name)
        elif rng.random() < 0.25:
            many = concept.plural if name == concept.surface else plural(name)
            parts.append(f"{COUNTS[int(rng.integers(len(COUNTS)))]} {many}")
        else:
            parts.append(with_article(name))
    text = parts[0]
    for part in parts[1:]:
        text += JOINTS[int(rng.integers(len(JOINTS)))] + part
    return text + ("." if rng.random() < 0.7 else "")


def _bare_words(concepts: Sequence[Concept], fillers: Sequence[str], rng: np.random.Generator) -> str:
    said = [_called(concept, rng) for concept in concepts for _ in range(int(rng.integers(1, 4)))]
    said += [fillers[i] for i in rng.integers(len(fillers), size=int(rng.integers(0, 7)))]
    return " ".join(said[i] for i in rng.permutation(len(said)))


class Asker:
    """Asks as many Yes as No questions about each concept, over all worlds that it is shown.

    A Yes leaves a debt, which a No about the same concept pays off in a later world without it.  Never asked: an
    unknown hypernym; a hypernym, with either answer, in a world that names a leaf with which it is `apart`.
    """

    def __init__(
        self, taxonomy: Taxonomy, apart: Iterable[tuple[str, str]], unknown: Iterable[str], rng: np.random.Generator
    ) -> None:
        self.taxonomy, self.rng = taxonomy, rng
        self.named = Names(taxonomy.hypernyms)
        self.apart: dict[str, set[str]] = {}
        for leaf, hypernym in apart:
            self.apart.setdefault(leaf, set()).add(hypernym)
        known = sorted(taxonomy.hypernyms.keys() - set(unknown))
        self.concepts: list[tuple[Kind, str]] = [("leaf", leaf) for leaf in sorted(taxonomy.leaves)]
        self.concepts += [("hypernym", hypernym) for hypernym in known]
        self.index = {concept: i for i, concept in enumerate(self.concepts)}
        self.debt = np.zeros(len(self.concepts))

    def ask(self, world: World, leaves: int = 3, hypernyms: int = 2) -> list[Asked]:
        """Up to so many Yes questions about leaves and hypernyms, and as many No questions, at least two."""
        mute, above = self._mute(world), self.taxonomy.above(world.leaves)
        yes = self._some("leaf", world.leaves, leaves) + self._some("hypernym", above - mute, hypernyms)
        shut = {("leaf", leaf) for leaf in world.leaves}
        shut |= {("hypernym", h) for h in above | mute | self.named.find(world.text)}
        weights = np.maximum(self.debt, 0) ** 2 + 0.01
        weights[[self.index[concept] for concept in shut if concept in self.index]] = 0
        no = min(max(2, len(yes)), int((weights > 0).sum()))
        # the places of the least exponential draws are a sample without replacement, and cheaper than choice()
        with np.errstate(divide="ignore"):
            drawn = np.argsort(self.rng.standard_exponential(len(weights)) / weights, kind="stable")[:no]
        self.debt[yes] += 1
        self.debt[drawn] -= 1
        return [self._asked(int(i), world, True) for i in yes] + [self._asked(int(i), world, False) for i in drawn]

    def name(self, world: World) -> list[tuple[str, str]]:
        """A leaf of the world and a hypernym of one, each asked for by NAMING; (question, answer)."""
        above = self.taxonomy.above(world.leaves) - self._mute(world)
        drawn = self._some("leaf", world.leaves, 1) + self._some("hypernym", above, 1)
        return [
            (NAMING[kind], self.taxonomy.concept(kind, name).surface)
            for kind, name in map(self.concepts.__getitem__, drawn)
        ]

    def _mute(self, world: World) -> set[str]:
        """Hypernyms that must not be spoken of beside this world."""
        return set().union(*(self.apart.get(leaf, ()) for leaf in world.leaves))

    def _some(self, kind: Kind, names: Iterable[str], most: int) -> list[int]:
        there = [self.index[kind, name] for name in sorted(names) if (kind, name) in self.index]
        return [there[i] for i in self.rng.permutation(len(there))[:most]]

    def _asked(self, i: int, world: World, gold: bool) -> Asked:
        kind, name = self.concepts[i]
        leaves = sorted(world.leaves)
        if gold:
            leaves = [
                leaf for leaf in leaves if name == leaf or (kind == "hypernym" and name in self.taxonomy.pairs[leaf])
            ]
        text = question_text(self.taxonomy.concept(kind, name))
        return Asked(name, kind, leaves[0] if leaves else "", gold, text)
