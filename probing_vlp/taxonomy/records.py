"""The nouns of the taxonomy probe: frozen, free of torch and of I/O.

A leaf is what images are sorted by ("crow"), a hypernym a kind of things above it ("bird", "animal").  A leaf has one
or more hypernyms, which may nest and overlap: no tree.  Leaves and hypernyms are called by their ids, in records as in
files, and never parsed back out of a text.
"""

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from probing_vlp.taxonomy.grammar import with_article

Kind = Literal["leaf", "hypernym"]


def folded(name: str) -> str:
    """A name without what file systems and texts do not tell apart: case, underscores, blanks, how accents are put."""
    return " ".join(unicodedata.normalize("NFC", name).replace("_", " ").casefold().split())


@dataclass(frozen=True)
class Concept:
    """A leaf or a hypernym: its id, and how a text speaks of one ("item of clothing") and of many of it."""

    id: str
    surface: str
    plural: str
    mass: bool = False
    """Takes no article and no plural: broccoli."""
    words: tuple[str, ...] = ()
    """What captions call it beside `surface`; singular."""

    def a(self) -> str:
        """ "a dog", "an item of clothing", "broccoli", "a pair of scissors"."""
        return self.surface if self.mass else with_article(self.surface)


@dataclass(frozen=True)
class Taxonomy:
    """Leaves and hypernyms by id, and the hypernym ids of each leaf id (never empty, kept as given: not closed)."""

    name: str
    leaves: Mapping[str, Concept]
    hypernyms: Mapping[str, Concept]
    pairs: Mapping[str, frozenset[str]]
    whole: str = ""
    """Signature of the taxonomy that this one is a part of; empty if it is whole."""

    def members(self, hypernym: str) -> tuple[str, ...]:
        """Sorted ids of the leaves that have this hypernym."""
        return self._members[hypernym]

    @cached_property
    def _members(self) -> Mapping[str, tuple[str, ...]]:
        return {h: tuple(leaf for leaf in sorted(self.leaves) if h in self.pairs[leaf]) for h in sorted(self.hypernyms)}

    def above(self, leaves: Iterable[str]) -> frozenset[str]:
        """The hypernyms of any of these leaves."""
        return frozenset().union(*(self.pairs[leaf] for leaf in leaves))

    def concept(self, kind: Kind, name: str) -> Concept:
        """The leaf or the hypernym of this id."""
        return (self.leaves if kind == "leaf" else self.hypernyms)[name]

    @cached_property
    def signature(self) -> str:
        """SHA-256 of ids, surface forms and pairs, whatever the order of the file; a part has that of its whole."""
        concepts = [
            [(c.id, c.surface, c.mass) for _, c in sorted(group.items())] for group in (self.leaves, self.hypernyms)
        ]
        pairs = sorted((leaf, sorted(above)) for leaf, above in self.pairs.items())
        return self.whole or hashlib.sha256(json.dumps([concepts, pairs]).encode()).hexdigest()

    def part(self, leaves: Iterable[str]) -> "Taxonomy":
        """These leaves and the hypernyms that they have."""
        kept = sorted(leaves)
        above = self.above(kept)
        return replace(
            self,
            leaves={leaf: self.leaves[leaf] for leaf in kept},
            hypernyms={h: concept for h, concept in self.hypernyms.items() if h in above},
            pairs={leaf: self.pairs[leaf] for leaf in kept},
            whole=self.signature,
        )


@dataclass(frozen=True)
class Shown:
    """An image and what it shows; nothing is asked about `unsure` leaves, nor about what only they have above them."""

    image: str
    """Unique name."""
    path: Path
    leaves: frozenset[str]
    unsure: frozenset[str] = frozenset()
    blocked: frozenset[str] = frozenset()
    """Hypernyms that are not asked about either: only leaves that were dropped from the taxonomy have them here."""


@dataclass(frozen=True)
class Question:
    """A yes/no question about an image."""

    image: str
    concept: str
    """Id of the leaf or hypernym that is asked about."""
    kind: Kind
    leaf: str
    """The leaf that it was made for, under the label map; of several the first by name."""
    gold: bool
    text: str
    partner: str = ""
    """Of a "No": the concept whose "Yes" it was drawn beside; the two are trained or left out together."""
