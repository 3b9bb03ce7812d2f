"""What is taken away from training, and what that leaves for the tests.

    full           all hypernym questions are taken away
    random-P       for each hypernym P % of its leaves, max(1, floor(P n / 100)), in an order of its own, so that what
                   random-10 takes random-30 takes too
    systematic-N   N hypernyms, the first of one order
    rules of random      pair      (default) those (leaf, hypernym) pairs: the fraction is what it says
                         union     the paper's: a leaf drawn for one hypernym loses all its hypernym questions, so that
                                   far more than P % go where leaves have several hypernyms
    rules of systematic  question  (default) the questions about those hypernyms, yes and no
                         folder    the paper's published sets: all hypernym questions of every leaf that has one of
                                   them; what is held out then holds hypernyms that were trained through other leaves

A "Yes" about a hypernym of an image is trained if no leaf of the image that has the hypernym lost it, held out if all
of them did, and else in neither ("mixed").  A "No" has the fate of the "Yes" that it was drawn beside; under `question`
that of the hypernym that it is about.  In training what is denied is drawn among what may be asked, so yes and no stay
1:1; the test questions of a map and seed are one set for all conditions, parted into seen and held-out.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from zlib import crc32

import numpy as np

from probing_vlp.errors import UserError
from probing_vlp.taxonomy.asking.images import PARTS, ImageIndex
from probing_vlp.taxonomy.asking.maps import make_map, relabel
from probing_vlp.taxonomy.asking.questions import Asker, hypernym_words
from probing_vlp.taxonomy.records import Question, Shown, Taxonomy

TESTS = ("leaves", "seen", "held-out")
RULES = {"random": ("pair", "union"), "systematic": ("question", "folder"), "full": ("question",)}
"""By kind; the first is the default."""
FORMS = "full, random-P (P 1..99) or systematic-N (N 1 or more)"


@dataclass(frozen=True)
class Condition:
    """Full, random by per cent, or systematic by number of hypernyms."""

    kind: Literal["full", "random", "systematic"]
    amount: int = 0

    @classmethod
    def parse(cls, text: str) -> "Condition":
        """From "full", "random-30" or "systematic-4"; UserError for anything else."""
        kind, _, amount = text.partition("-")
        if text == "full":
            return cls("full")
        if kind == "random" and amount.isdecimal() and 1 <= int(amount) <= 99:
            return cls("random", int(amount))
        if kind == "systematic" and amount.isdecimal() and int(amount) >= 1:
            return cls("systematic", int(amount))
        raise UserError(f"condition '{text}': write {FORMS}")

    def __str__(self) -> str:
        return self.kind if self.kind == "full" else f"{self.kind}-{self.amount}"

    def ablated(self, taxonomy: Taxonomy) -> float:
        """Per cent that is taken away, by name: the x axis of the paper's figures."""
        return {"full": 100.0, "random": float(self.amount)}.get(self.kind, 100 * self.amount / len(taxonomy.hypernyms))


@dataclass(frozen=True)
class Removal:
    """What training may not hold."""

    rule: str
    hypernyms: frozenset[str]
    """Those drawn by name (all of them in full); none in random."""
    pairs: frozenset[tuple[str, str]]
    """(leaf, hypernym) whose "Yes" is not trained."""

    @property
    def unasked(self) -> frozenset[str]:
        """Hypernyms that training does not ask about at all."""
        return self.hypernyms if self.rule == "question" else frozenset()

    def fate(self, shown: Shown, hypernym: str, taxonomy: Taxonomy) -> str:
        """ "seen", "held-out" or "mixed", of a "Yes"."""
        lost = {(leaf, hypernym) in self.pairs for leaf in shown.leaves if hypernym in taxonomy.pairs[leaf]}
        return "mixed" if len(lost) > 1 else "held-out" if True in lost else "seen"


@dataclass(frozen=True)
class Trial:
    """The questions of a condition and a map, and what they follow from."""

    train: tuple[Question, ...]
    tests: Mapping[str, tuple[Question, ...]]
    manifest: dict[str, Any]
    taxonomy: Taxonomy
    removal: Removal
    shown: Mapping[str, Shown]
    """The images of all parts under the label map, by name."""


def remove(taxonomy: Taxonomy, condition: Condition, seed: int, rule: str = "") -> Removal:
    """What a condition takes away, by one of RULES; UserError for another rule, and if systematic takes everything."""
    rule = rule or RULES[condition.kind][0]
    if rule not in RULES[condition.kind]:
        raise UserError(f"rule '{rule}' of {condition}: is none of {', '.join(RULES[condition.kind])}")
    names = sorted(taxonomy.hypernyms)
    if condition.kind == "random":
        pairs = {(leaf, name) for name in names for leaf in _first(taxonomy.members(name), condition, seed, name)}
        names = []
    elif condition.amount >= len(names):
        raise UserError(f"{condition}: {taxonomy.name} has {len(names)} hypernyms here; take fewer, or full")
    else:
        if condition.kind == "systematic":
            order = np.random.default_rng([seed, crc32(b"systematic")]).permutation(len(names))
            names = [names[i] for i in order[: condition.amount]]
        pairs = {(leaf, name) for name in names for leaf in taxonomy.members(name)}
    if rule in ("union", "folder"):
        pairs = {(leaf, name) for leaf, _ in pairs for name in taxonomy.pairs[leaf]}
    return Removal(rule, frozenset(names), frozenset(pairs))


def _first(members: tuple[str, ...], condition: Condition, seed: int, hypernym: str) -> list[str]:
    order = np.random.default_rng([seed, crc32(f"random {hypernym}".encode())]).permutation(len(members))
    return [members[i] for i in order[: max(1, condition.amount * len(members) // 100)]]


def build_condition(
    index: ImageIndex,
    taxonomy: Taxonomy,
    condition: Condition | str,
    map_kind: str = "original",
    seed: int = 0,
    negatives: str = "per-image",
    rule: str = "",
    style: str = "plain",
) -> Trial:
    """Training and test questions of a condition under a label map, without leaks (checked).

    The leaves are those of `index.taxonomy`, which is `taxonomy` or a part of it.  UserError for what is unknown.
    """
    if index.taxonomy.signature != taxonomy.signature:
        raise UserError(f"{index.source} was indexed with another taxonomy than {taxonomy.name}")
    taxonomy = index.taxonomy
    condition = Condition.parse(condition) if isinstance(condition, str) else condition
    removal = remove(taxonomy, condition, seed, rule)
    label_map = make_map(map_kind, taxonomy, seed)
    asker = Asker(taxonomy, seed, negatives, style)
    parts = {part: relabel(index.parts[part], label_map) for part in PARTS}
    train, tests = _training(asker, parts["train"].values(), removal), _tests(asker, parts["test"].values(), removal)
    if not train:
        raise UserError(f"{taxonomy.name}: nothing to train on: every leaf's name holds that of a hypernym")
    mixed = tests.pop("mixed")
    shown = {name: one for part in PARTS for name, one in parts[part].items()}
    settings = {
        "condition": str(condition),
        "rule": removal.rule,
        "map": map_kind,
        "seed": seed,
        "negatives": negatives,
    }
    manifest = settings | _manifest(index, condition, removal, label_map, asker.namesakes)
    manifest["real"] = _real(taxonomy, removal, parts["train"].values(), train, tests, mixed)
    manifest["questions"] = {"train": _counts(train)} | {name: _counts(tests[name]) for name in TESTS}
    trial = Trial(train, tests, manifest, taxonomy, removal, shown)
    check_leakage(trial)
    return trial


def _training(asker: Asker, images: Iterable[Shown], removal: Removal) -> tuple[Question, ...]:
    questions = []
    askable = asker.taxonomy.hypernyms.keys() - removal.unasked
    for shown in images:
        above = asker.taxonomy.above(shown.leaves)
        affirmed = {hypernym for hypernym in above if removal.fate(shown, hypernym, asker.taxonomy) == "seen"}
        questions += asker.about_leaves(shown)
        questions += asker.about_hypernyms(shown, affirmed, askable)
    return tuple(questions)


def _tests(asker: Asker, images: Iterable[Shown], removal: Removal) -> dict[str, tuple[Question, ...]]:
    tests: dict[str, list[Question]] = {name: [] for name in (*TESTS, "mixed")}
    for shown in images:
        tests["leaves"] += asker.about_leaves(shown)
        for question in asker.about_hypernyms(shown):
            if removal.rule == "question" and not question.gold:
                fate = "held-out" if question.concept in removal.hypernyms else "seen"
            else:
                fate = removal.fate(shown, question.partner or question.concept, asker.taxonomy)
            tests[fate].append(question)
    return {name: tuple(questions) for name, questions in tests.items()}


def _manifest(
    index: ImageIndex, condition: Condition, removal: Removal, label_map: Mapping[str, str], unasked: Iterable[str]
) -> dict[str, Any]:
    taxonomy = index.taxonomy
    return {
        "taxonomy": {
            "name": taxonomy.name,
            "signature": taxonomy.signature,
            "leaves": len(taxonomy.leaves),
            "hypernyms": len(taxonomy.hypernyms),
            "pairs": sum(map(len, taxonomy.pairs.values())),
            "dropped_leaves": dict(sorted(index.dropped.items())),
            "leaves_not_asked_about": sorted(unasked),
        },
        "images": {part: len(index.parts[part]) for part in PARTS},
        "ablated": condition.ablated(taxonomy),
        "removed_hypernyms": sorted(removal.hypernyms),
        "removed_pairs": sorted(map(list, removal.pairs)),
        "label_map": dict(label_map),
    }


def _real(
    taxonomy: Taxonomy,
    removal: Removal,
    images: Iterable[Shown],
    train: Iterable[Question],
    tests: Mapping[str, tuple[Question, ...]],
    mixed: tuple[Question, ...],
) -> dict[str, float]:
    """Fractions that are really taken away: of pairs, of what training could affirm, of the test questions."""
    whole = sum(len(taxonomy.above(shown.leaves)) for shown in images)
    trained = sum(question.kind == "hypernym" and question.gold for question in train)
    tested = len(tests["seen"]) + len(tests["held-out"]) + len(mixed)
    return {
        "pairs": len(removal.pairs) / sum(map(len, taxonomy.pairs.values())),
        "train": 1 - trained / whole,
        "test": len(tests["held-out"]) / tested,
        "test_mixed": len(mixed) / tested,
    }


def _counts(questions: Iterable[Question]) -> dict[str, int]:
    found = Counter((question.kind, question.gold) for question in questions)
    return {f"{kind}_{said}": found[kind, said == "yes"] for kind in ("leaf", "hypernym") for said in ("yes", "no")}


def check_leakage(trial: Trial) -> None:
    """UserError that names what leaks: a test image or a removed pair or hypernym in training, in full any hypernym's
    name in its text."""
    tested = {question.image for questions in trial.tests.values() for question in questions}
    words = hypernym_words(trial.taxonomy) if trial.manifest["condition"] == "full" else None
    for question in trial.train:
        what = ""
        if question.image in tested:
            what = "its image is tested on"
        elif question.kind == "hypernym" and question.concept in trial.removal.unasked:
            what = f"'{question.concept}' is removed"
        elif question.kind == "hypernym" and question.gold:
            shown = trial.shown[question.image]
            if trial.removal.fate(shown, question.concept, trial.taxonomy) != "seen":
                what = f"'{question.concept}' is removed of a leaf of {', '.join(sorted(shown.leaves))}"
        if words and (found := words.search(question.text)):
            what = f"it names the hypernym '{found[0]}'"
        if what:
            raise UserError(f'leak in training: "{" ".join(question.text.split())}" of {question.image}: {what}')


def check_manifest(manifest: Mapping[str, Any], taxonomy: Taxonomy, source: str = "manifest") -> None:
    """UserError if a manifest is of another taxonomy, or is none."""
    told = manifest.get("taxonomy")
    if not isinstance(told, Mapping) or "signature" not in told:
        raise UserError(f"{source}: not the manifest of a condition: it has no taxonomy.signature")
    if told["signature"] != taxonomy.signature:
        raise UserError(
            f"{source}: made with another taxonomy ('{told.get('name', '?')}', {str(told['signature'])[:12]}) than "
            f"'{taxonomy.name}' ({taxonomy.signature[:12]}); give that one, or another folder for the runs"
        )
