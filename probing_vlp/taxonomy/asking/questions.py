"""The questions about an image: about leaves, and about what is above them.

    leaves      for each leaf that it shows one "Yes", and as many "No": leaves that it does not show
    hypernyms   for each hypernym of those leaves one "Yes", and as many "No": hypernyms that none of them has

So yes and no are 1:1 for each image (as far as there are enough things to deny), not for each concept: chance is a
concept's own majority (`chance.py`).  Nothing is asked about unsure leaves, about hypernyms that only they have, or
about another leaf of the same surface form (THINGS has two kinds of bracelet).

    per-image   the things to deny are drawn anew for each image
    fixed       one for each (leaf, hypernym), the same for all its images, as in the older published data: the
                projector could learn the wrong word by heart.  Where an image shows that thing, nothing is denied

Leaves whose text holds the name of a hypernym are not asked about ("candy bar" beside the hypernym candy): the text of
Full training is to hold no hypernym.  Deviation: the published code asks about them.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Literal, get_args
from zlib import crc32

import numpy as np

from probing_vlp.errors import UserError
from probing_vlp.taxonomy.prompts import question_text
from probing_vlp.taxonomy.records import Kind, Question, Shown, Taxonomy

Negatives = Literal["per-image", "fixed"]


class Asker:
    """Makes questions; what is denied depends on the seed, the image and what may be asked, on nothing else."""

    def __init__(self, taxonomy: Taxonomy, seed: int, negatives: str = "per-image", style: str = "plain") -> None:
        if negatives not in get_args(Negatives):
            raise UserError(f"negatives '{negatives}': is none of {', '.join(get_args(Negatives))}")
        self.taxonomy, self.seed, self.fixed = taxonomy, seed, negatives == "fixed"
        self.namesakes = namesakes(taxonomy)
        self._leaves = sorted(taxonomy.leaves.keys() - self.namesakes)
        by_surface: dict[str, list[str]] = {}
        for leaf, concept in taxonomy.leaves.items():
            by_surface.setdefault(concept.surface, []).append(leaf)
        self._called_alike = {leaf: by_surface[concept.surface] for leaf, concept in taxonomy.leaves.items()}
        self._text = {
            (kind, name): question_text(taxonomy.concept(kind, name), style)
            for kind, names in _kinds(taxonomy)
            for name in names
        }

    def about_leaves(self, shown: Shown) -> list[Question]:
        """Questions about the leaves of an image."""
        known = {alike for leaf in shown.leaves | shown.unsure for alike in self._called_alike[leaf]}
        positives = {leaf: leaf for leaf in sorted(shown.leaves - self.namesakes)}
        return self._ask(shown, "leaf", positives, self._leaves, known)

    def about_hypernyms(
        self, shown: Shown, affirmed: Collection[str] | None = None, askable: Collection[str] | None = None
    ) -> list[Question]:
        """Questions about what is above the leaves: "Yes" for what is in `affirmed`, "No" for what is in `askable`,
        both all hypernyms unless given."""
        taxonomy = self.taxonomy
        above = taxonomy.above(shown.leaves)
        askable = sorted(taxonomy.hypernyms if askable is None else askable)
        known = above | taxonomy.above(shown.unsure) | shown.blocked
        positives = {
            hypernym: min(leaf for leaf in shown.leaves if hypernym in taxonomy.pairs[leaf])
            for hypernym in sorted(above if affirmed is None else above & set(affirmed))
        }
        return self._ask(shown, "hypernym", positives, askable, known)

    def _ask(
        self, shown: Shown, kind: Kind, positives: dict[str, str], askable: Sequence[str], known: Collection[str]
    ) -> list[Question]:
        """A "Yes" for each of `positives` (concept -> leaf), and beside it a "No" for one of `askable`, never one of
        `known`."""
        questions = [self._question(shown, name, kind, leaf, True) for name, leaf in positives.items()]
        if self.fixed:
            drawn = self._fixed(kind, positives, askable, known)
        else:
            generator = np.random.default_rng([self.seed, crc32(f"{kind} {shown.image}".encode())])
            order = generator.permutation(len(askable)).tolist() if positives else []
            drawn = zip(positives, (askable[i] for i in order if askable[i] not in known), strict=False)
        denied = [self._question(shown, name, kind, positives[beside], False, beside) for beside, name in drawn]
        return questions + denied

    def _fixed(
        self, kind: Kind, positives: dict[str, str], askable: Sequence[str], known: Collection[str]
    ) -> Iterator[tuple[str, str]]:
        denied = set()
        for concept, leaf in positives.items():
            own = {leaf} if kind == "leaf" else self.taxonomy.pairs[leaf]
            wrong = [name for name in askable if name not in own]
            generator = np.random.default_rng([self.seed, crc32(f"{kind} {leaf} {concept}".encode())])
            name = wrong[generator.integers(len(wrong))] if wrong else ""
            if name and name not in known and name not in denied:
                denied.add(name)
                yield concept, name

    def _question(self, shown: Shown, name: str, kind: Kind, leaf: str, gold: bool, beside: str = "") -> Question:
        return Question(shown.image, name, kind, leaf, gold, self._text[kind, name], beside)


def namesakes(taxonomy: Taxonomy) -> frozenset[str]:
    """Leaves whose surface form holds the name of a hypernym as whole words."""
    pattern = hypernym_words(taxonomy)
    return frozenset(leaf for leaf, concept in taxonomy.leaves.items() if pattern.search(concept.surface))


def hypernym_words(taxonomy: Taxonomy) -> re.Pattern[str]:
    """Finds ids, surface forms and plurals of hypernyms in a text, whole words only, whatever the case."""
    names = {name.replace("_", " ") for h in taxonomy.hypernyms.values() for name in (h.id, h.surface, h.plural)}
    longest_first = sorted(names, key=lambda name: (-len(name), name))
    return re.compile(rf"(?<!\w)({'|'.join(map(re.escape, longest_first))})(?!\w)", re.IGNORECASE)


def _kinds(taxonomy: Taxonomy) -> tuple[tuple[Kind, Collection[str]], tuple[Kind, Collection[str]]]:
    return ("leaf", taxonomy.leaves), ("hypernym", taxonomy.hypernyms)
