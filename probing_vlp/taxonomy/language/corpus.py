"""The text that the small language model learns from: all that it will ever know.

    captions     people's captions, to be read
    statements   "dogs are animals.", in the four phrasings of the LM-only test
    truths       "Is it true that a dog is a type of animal? Yes", as often No for each hypernym
    worlds       yes/no questions about worlds in words, and names of what is there (worlds.py)
    glosses      WordNet's definitions and is-a sentences, where its files are given (wordnet.py)

What is kept out, so that the model is known not to know it (`KeptOut`):

    unknown      hypernyms whose names stand nowhere in the text, nor does any word of them
    pairs        true (leaf, hypernym) pairs of the other hypernyms: no text has both a name of the leaf and one of the
                 hypernym, as answer Yes or No, in a world, a statement, a caption or a gloss
    false pairs  as many pairs that do not hold, kept out likewise, so that both answers can be tested on what was
                 never said

A text is what the model sees at once: a root (a world, or nothing) and one branch (a question with its answer, or a
sentence).  Branches of one root do not see each other (lm_trees.py); they stand together to be computed together.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from probing_vlp.data.closed_class import listed
from probing_vlp.data.text import tokenize
from probing_vlp.errors import UserError, check_least
from probing_vlp.taxonomy.language.worlds import Asker, Names, World, caption_worlds, made_up_worlds, names_of
from probing_vlp.taxonomy.prompts import ANSWERS
from probing_vlp.taxonomy.records import Concept, Taxonomy

PHRASINGS = ("plural", "singular", "plural-type", "singular-type")
"""dogs are animals; a dog is an animal; dogs are a type of animal; a dog is a type of animal."""
PARTS = listed("piece pieces pair pairs item items source of")
"""Words of names that say nothing of what is named."""
FRAME = listed("is there a an in this image it true that are type of yes no something some kind object")
"""Words of the questions: no name is kept out that has one."""


def claim(leaf: Concept, hypernym: Concept, phrasing: str) -> str:
    """That the leaf is one of the hypernym's things, in one of PHRASINGS; a mass noun has no plural: rice is food."""
    many = phrasing.startswith("plural")
    subject = (leaf.surface if leaf.mass else leaf.plural) if many else leaf.a()
    verb = "are" if many and not leaf.mass else "is"
    if phrasing.endswith("type"):
        return f"{subject} {verb} a type of {hypernym.surface}"
    several = verb == "are" and not hypernym.mass
    return f"{subject} {verb} {hypernym.plural if several else hypernym.a()}"


def truth_question(leaf: Concept, hypernym: Concept, phrasing: str) -> str:
    """ "Is it true that dogs are animals?" """
    return f"Is it true that {claim(leaf, hypernym, phrasing)}?"


class Branch(NamedTuple):
    """A sentence (`answer` is "") or a question with its answer."""

    text: str
    answer: str = ""


class Tree(NamedTuple):
    """A root, "" or a world, and the branches that follow it, each on its own."""

    root: str
    branches: tuple[Branch, ...]
    sort: str

    def texts(self) -> Iterator[str]:
        """What the model sees at once, branch by branch."""
        return (" ".join(filter(None, (self.root, *branch))) for branch in self.branches)


@dataclass(frozen=True)
class KeptOut:
    """What the text does not tell; see the module's docstring.  Pairs are (leaf, hypernym), sorted."""

    pairs: tuple[tuple[str, str], ...] = ()
    false_pairs: tuple[tuple[str, str], ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def apart(self) -> frozenset[tuple[str, str]]:
        """Pairs that no text names together."""
        return frozenset(self.pairs + self.false_pairs)


def keep_out(taxonomy: Taxonomy, fraction: float, unknown: int | Sequence[str], seed: int) -> KeptOut:
    """Draw what is kept out: `unknown` hypernyms (a number, or their ids) and a fraction of the other true pairs.

    Unknown hypernyms are drawn among those with at least two leaves and with words of their own: of "motor vehicle" a
    model knows something as long as it knows "vehicle".  A leaf keeps one known pair wherever it has one,
    a hypernym half of its leaves.  The fraction is of the pairs of known hypernyms, rounded down.
    """
    rng = np.random.default_rng([seed, 0])
    own = own_words(taxonomy)
    if isinstance(unknown, int):
        rich = [h for h in own if len(taxonomy.members(h)) > 1]
        if unknown > len(rich):
            raise UserError(
                f"--unknown {unknown}: only {len(rich)} hypernyms of {taxonomy.name} have two leaves and words that no "
                "other name has; ask for fewer"
            )
        hidden = sorted(rich[i] for i in rng.permutation(len(rich))[:unknown])
    else:
        hidden = sorted(set(unknown))
        if strange := [name for name in hidden if name not in own]:
            what = "another name has a word of it" if strange[0] in taxonomy.hypernyms else "no such hypernym"
            raise UserError(f"--unknown {strange[0]}: {what}; those of {taxonomy.name} are: {', '.join(own)}")
    known = [(leaf, h) for leaf in sorted(taxonomy.leaves) for h in sorted(taxonomy.pairs[leaf]) if h not in hidden]
    left = Counter(leaf for leaf, _ in known)
    half = {h: len(taxonomy.members(h)) // 2 for h in taxonomy.hypernyms}
    pairs: list[tuple[str, str]] = []
    for i in rng.permutation(len(known)):
        leaf, h = known[i]
        if len(pairs) < int(fraction * len(known)) and left[leaf] > 1 and half[h] > 0:
            pairs.append((leaf, h))
            left[leaf] -= 1
            half[h] -= 1
    false = []
    for _, h in pairs:  # as many for each hypernym, so that its name does not tell the answer
        others = [leaf for leaf in sorted(taxonomy.leaves) if h not in taxonomy.pairs[leaf] and (leaf, h) not in false]
        false += [(others[int(rng.integers(len(others)))], h)] if others else []
    return KeptOut(tuple(sorted(pairs)), tuple(sorted(false)), tuple(hidden))


def own_words(taxonomy: Taxonomy) -> list[str]:
    """Hypernyms, sorted, that share no word with any name of another concept; "piece of" and the like do not count."""
    groups = {("leaf", key): concept for key, concept in taxonomy.leaves.items()}
    groups |= {("hypernym", key): concept for key, concept in taxonomy.hypernyms.items()}
    words = {key: {word for name in names_of(c) for word in tokenize(name)} - PARTS for key, c in groups.items()}
    times = Counter(word for own in words.values() for word in own)
    own = {h: words["hypernym", h] for h in sorted(taxonomy.hypernyms)}
    return [h for h in own if own[h].isdisjoint(FRAME) and all(times[word] == 1 for word in own[h])]


class Filter:
    """Says which texts may stand: those that have no word of an unknown hypernym and no pair that is kept out."""

    def __init__(self, taxonomy: Taxonomy, kept: KeptOut) -> None:
        self.leaves, self.hypernyms = Names(taxonomy.leaves), Names(taxonomy.hypernyms)
        self.apart = kept.apart
        names = (name for h in kept.unknown for name in names_of(taxonomy.hypernyms[h]))
        self.hidden = {word for name in names for word in tokenize(name)} - PARTS
        self._known: dict[str, tuple[frozenset[str], frozenset[str]]] = {}

    def __call__(self, *texts: str) -> bool:
        """Whether these may stand together."""
        if any(not self.hidden.isdisjoint(tokenize(text)) for text in texts):
            return False
        found = [self._named(text) for text in texts]
        above = frozenset().union(*(hypernyms for _, hypernyms in found))
        if not above:
            return True
        below = frozenset().union(*(leaves for leaves, _ in found))
        return not any((leaf, h) in self.apart for leaf in below for h in above)

    def _named(self, text: str) -> tuple[frozenset[str], frozenset[str]]:
        if text not in self._known:
            self._known[text] = self.leaves.find(text), self.hypernyms.find(text)
        return self._known[text]


@dataclass
class Amounts:
    """How much of each kind of text."""

    captions: int = 6000
    """Captions that are only read."""
    caption_worlds: int = 8000
    """Captions that are asked about."""
    made_up_worlds: int = 9000
    """Lists and bare words that are asked about."""
    truths: int = 40
    """Times that each (leaf, hypernym) pair is asked in each of four phrasings, beside as many false ones."""
    statements: int = 10
    """Times that each pair is told in each of them."""

    def __post_init__(self) -> None:
        check_least(self, 0, "captions", "caption_worlds", "made_up_worlds", "truths", "statements")


def write_corpus(
    taxonomy: Taxonomy, kept: KeptOut, captions: Sequence[str], glosses: Sequence[str], amounts: Amounts, seed: int
) -> list[Tree]:
    """All trees, sort by sort; the same for the same arguments."""
    allowed, names = Filter(taxonomy, kept), Names(taxonomy.leaves)
    rng = np.random.default_rng([seed, 1])
    order = [captions[i] for i in rng.permutation(len(captions))]
    read = [text for text in order[: amounts.captions] if allowed(text)]
    worlds = caption_worlds(order[amounts.captions :], taxonomy, names, amounts.caption_worlds, rng)
    worlds += made_up_worlds(taxonomy, names, amounts.made_up_worlds, rng)
    worlds = [world for world in worlds if allowed(world.text)]
    asker = Asker(taxonomy, kept.apart, kept.unknown, rng)
    trees = grouped([Branch(text) for text in read], 8, "captions")
    trees += grouped([Branch(text) for text in glosses if allowed(text)], 6, "glosses")
    trees += asked_trees([worlds[i] for i in rng.permutation(len(worlds))], asker, allowed)
    for turn in range(max(amounts.truths, amounts.statements)):
        told, asked = truths(taxonomy, kept, rng)
        trees += grouped(told, 12, "statements") if turn < amounts.statements else []
        trees += grouped(asked, 8, "truths") if turn < amounts.truths else []
    return trees


def asked_trees(worlds: Iterable[World], asker: Asker, allowed: Filter) -> list[Tree]:
    """A tree a world, its questions in random order."""
    trees = []
    for world in worlds:
        # "a book bag" names a bag, and a question may bring the leaf that is kept apart from it
        asked = [question for question in asker.ask(world) if allowed(world.text, question.text)]
        shuffled = (asked[i] for i in asker.rng.permutation(len(asked)))
        branches = tuple(Branch(question.text, ANSWERS[not question.gold]) for question in shuffled)
        branches += tuple(Branch(*named) for named in asker.name(world) if allowed(world.text, *named))
        trees.append(Tree(world.text, branches, f"worlds: {world.sort}"))
    return trees


def truths(taxonomy: Taxonomy, kept: KeptOut, rng: np.random.Generator) -> tuple[list[Branch], list[Branch]]:
    """Every known pair as a statement, and as a question beside as many of each hypernym that are not so; shuffled."""
    statements, questions = [], []
    for h in sorted(taxonomy.hypernyms.keys() - set(kept.unknown)):
        true = [leaf for leaf in taxonomy.members(h) if (leaf, h) not in kept.apart]
        others = [
            leaf for leaf in sorted(taxonomy.leaves) if h not in taxonomy.pairs[leaf] and (leaf, h) not in kept.apart
        ]
        for phrasing in PHRASINGS:
            wrong = [others[i] for i in rng.permutation(len(others))[: len(true)]]
            told = [claim(taxonomy.leaves[leaf], taxonomy.hypernyms[h], phrasing) for leaf in true]
            statements += [Branch(f"{text}.") for text in told]
            questions += [
                Branch(truth_question(taxonomy.leaves[leaf], taxonomy.hypernyms[h], phrasing), answer)
                for answer, leaves in zip(ANSWERS, (true, wrong), strict=True)
                for leaf in leaves
            ]
    statements, questions = ([group[i] for i in rng.permutation(len(group))] for group in (statements, questions))
    return statements, questions


def grouped(branches: Sequence[Branch], size: int, sort: str) -> list[Tree]:
    """Trees without a world, `size` branches each."""
    return [Tree("", tuple(branches[i : i + size]), sort) for i in range(0, len(branches), size)]


def counts(trees: Iterable[Tree], kept: KeptOut) -> dict[str, Any]:
    """What the corpus holds: texts by sort, Yes and No answers; and what is kept out of it."""
    sorts, answers = Counter[str](), Counter[str]()
    for tree in trees:
        sorts[tree.sort] += len(tree.branches)
        answers.update(f"{tree.sort}, {branch.answer}" for branch in tree.branches if branch.answer in ANSWERS)
    return {"texts": dict(sorted(sorts.items())), "answers": dict(sorted(answers.items())), **asdict(kept)}
