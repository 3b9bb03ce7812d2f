"""The text of the small language model: its sentences, its balance, and that it does not tell what it must not."""

from collections import Counter

import pytest
from test_taxonomy_worlds import ZOO

from probing_vlp.errors import UserError
from probing_vlp.taxonomy.asking.taxonomies import load_taxonomy
from probing_vlp.taxonomy.language.corpus import (
    PARTS,
    PHRASINGS,
    Amounts,
    Branch,
    KeptOut,
    Tree,
    claim,
    counts,
    keep_out,
    truth_question,
    write_corpus,
)
from probing_vlp.taxonomy.language.worlds import Names
from probing_vlp.taxonomy.records import Concept, Taxonomy

COCO = load_taxonomy("coco")
SMALL = Amounts(captions=40, caption_worlds=60, made_up_worlds=300, truths=1, statements=1)
CAPTIONS = [
    "a dog and other animals in a field",
    "two cats look at a bird",
    "a fruit bowl with an apple and a banana",
    "some vehicles on a street, a bus and a car",
    "a man rides a horse",
    "an empty room with white walls",
    "a pizza and a glass of wine",
    "food on a table",
] * 20


@pytest.mark.parametrize(
    ("phrasing", "dog", "rice"),
    [
        ("plural", "dogs are animals", "rice is food"),
        ("singular", "a dog is an animal", "rice is food"),
        ("plural-type", "dogs are a type of animal", "rice is a type of food"),
        ("singular-type", "a dog is a type of animal", "rice is a type of food"),
    ],
)
def test_the_four_phrasings(phrasing: str, dog: str, rice: str) -> None:
    assert claim(ZOO.leaves["dog"], ZOO.hypernyms["animal"], phrasing) == dog
    assert claim(ZOO.leaves["rice"], ZOO.hypernyms["food"], phrasing) == rice
    assert truth_question(ZOO.leaves["dog"], ZOO.hypernyms["animal"], phrasing) == f"Is it true that {dog}?"


def test_mass_nouns_stand_without_an_article_and_a_plural() -> None:
    animal, food = ZOO.hypernyms["animal"], ZOO.hypernyms["food"]
    assert claim(ZOO.leaves["dog"], food, "plural") == "dogs are food"
    assert claim(ZOO.leaves["dog"], food, "singular") == "a dog is food"
    assert claim(ZOO.leaves["rice"], animal, "plural") == "rice is an animal"


def texts_of(trees: list[Tree]) -> list[str]:
    return [text for tree in trees for text in tree.texts()]


def naive(text: str, concept: Concept, many: str) -> bool:
    """Whether a text has the surface form or the plural, as whole words: no part of the project's own finder."""
    padded = f" {''.join(c if c.isalnum() else ' ' for c in text.lower())} "
    padded = " ".join(padded.split())
    return any(f" {name} " in f" {padded} " for name in (concept.surface, concept.plural, many))


@pytest.mark.parametrize("seed", [1, 3])
def test_what_is_kept_out_stands_in_no_text(seed: int) -> None:
    kept = keep_out(COCO, 0.15, 3, seed)
    texts = texts_of(write_corpus(COCO, kept, CAPTIONS, ["dog: an animal that barks.", "bus: a vehicle."], SMALL, seed))
    assert len(texts) > 2500 and len(kept.pairs) > 10 and len(kept.false_pairs) == len(kept.pairs)
    leaves, hypernyms = Names(COCO.leaves), Names(COCO.hypernyms)
    for text in texts:
        above, below = hypernyms.find(text), leaves.find(text)
        assert not above & set(kept.unknown), text
        assert not {(leaf, h) for leaf in below for h in above} & kept.apart, text
    for (
        h
    ) in kept.unknown:  # and by plain search, in case the finder is wrong: no word of its name, "a good" for instance
        words = {word for word in h.split() if word not in PARTS}
        assert not any(naive(text, COCO.hypernyms[h], word) for text in texts for word in words), h
    told = Counter((leaf, h) for text in texts for leaf in leaves.find(text) for h in hypernyms.find(text))
    known = {(leaf, h) for leaf in COCO.leaves for h in COCO.pairs[leaf] if h not in kept.unknown} - kept.apart
    assert known <= told.keys(), "a known pair is never told"


def test_truths_are_as_often_yes_as_no_for_each_hypernym() -> None:
    trees = write_corpus(COCO, KeptOut(), CAPTIONS, [], SMALL, 1)
    answers: Counter[tuple[str, str]] = Counter()
    hypernyms = Names(COCO.hypernyms)
    for tree in trees:
        for branch in tree.branches if tree.sort == "truths" else ():
            (h,) = hypernyms.find(branch.text.replace("that ", "that, ")) or ("?",)
            answers[h, branch.answer] += 1
    assert {h for h, _ in answers} == set(COCO.hypernyms)
    for h in COCO.hypernyms:
        assert answers[h, "Yes"] == answers[h, "No"] == len(PHRASINGS) * len(COCO.members(h))


def test_kept_pairs_leave_every_leaf_and_hypernym_something_known() -> None:
    kept = keep_out(COCO, 0.3, 4, 5)
    assert kept == keep_out(COCO, 0.3, 4, 5) != keep_out(COCO, 0.3, 4, 6)
    assert len(kept.unknown) == 4 and not {h for _, h in kept.pairs} & set(kept.unknown)
    assert all(h in COCO.pairs[leaf] for leaf, h in kept.pairs)
    assert all(h not in COCO.pairs[leaf] for leaf, h in kept.false_pairs)
    assert Counter(h for _, h in kept.pairs) == Counter(h for _, h in kept.false_pairs)
    lost = Counter(leaf for leaf, _ in kept.pairs)
    for leaf, above in COCO.pairs.items():
        known = above - set(kept.unknown)
        assert not known or lost[leaf] < len(known)
    for h in COCO.hypernyms:
        assert sum(pair[1] == h for pair in kept.pairs) <= len(COCO.members(h)) // 2


def test_unknown_hypernyms_may_be_named() -> None:
    assert keep_out(COCO, 0, ["mammal", "fruit"], 1) == KeptOut((), (), ("fruit", "mammal"))
    with pytest.raises(UserError, match="--unknown mamal: no such hypernym; those of coco are: accessory"):
        keep_out(COCO, 0, ["mamal"], 1)
    with pytest.raises(UserError, match="--unknown vehicle: another name has a word of it"):
        keep_out(COCO, 0, ["vehicle"], 1)  # "motor vehicle"
    with pytest.raises(UserError, match="--unknown 99: only"):
        keep_out(COCO, 0, 99, 1)


def test_the_same_seed_gives_the_same_text_and_the_counts_are_those_of_the_text() -> None:
    kept = keep_out(COCO, 0.1, 2, 1)
    first = write_corpus(COCO, kept, CAPTIONS, [], SMALL, 1)
    assert first == write_corpus(COCO, kept, CAPTIONS, [], SMALL, 1) != write_corpus(COCO, kept, CAPTIONS, [], SMALL, 2)
    said = counts(first, kept)
    assert sum(said["texts"].values()) == len(texts_of(first))
    assert said["answers"]["truths, Yes"] == said["answers"]["truths, No"]
    assert said["unknown"] == kept.unknown


def test_a_text_is_a_root_and_one_branch() -> None:
    tree = Tree("a dog.", (Branch("Is there a dog?", "Yes"), Branch("it barks.")), "test")
    assert list(tree.texts()) == ["a dog. Is there a dog? Yes", "a dog. it barks."]


def test_a_taxonomy_of_one_hypernym_works() -> None:
    tiny = Taxonomy(
        "tiny", {"dog": ZOO.leaves["dog"]}, {"animal": ZOO.hypernyms["animal"]}, {"dog": frozenset({"animal"})}
    )
    kept = keep_out(tiny, 0.5, 0, 1)
    assert kept == KeptOut()
    assert write_corpus(tiny, kept, CAPTIONS, [], SMALL, 1)


def test_amounts_are_not_negative() -> None:
    with pytest.raises(UserError, match="--truths -1: must be 0 or more"):
        Amounts(truths=-1)
