"""Worlds in words: what a text names, made-up worlds, and questions that are balanced."""

from collections import Counter

import numpy as np
import pytest

from probing_vlp.taxonomy.asking.taxonomies import load_taxonomy
from probing_vlp.taxonomy.language.worlds import Asker, Names, World, caption_worlds, made_up_worlds, names_of
from probing_vlp.taxonomy.records import Concept, Taxonomy

ZOO = Taxonomy(
    "zoo",
    {
        "dog": Concept("dog", "dog", "dogs", words=("puppy",)),
        "hot dog": Concept("hot dog", "hot dog", "hot dogs"),
        "rice": Concept("rice", "rice", "rice", mass=True),
        "cat": Concept("cat", "cat", "cats"),
    },
    {"animal": Concept("animal", "animal", "animals"), "food": Concept("food", "food", "food", mass=True)},
    {
        "dog": frozenset({"animal"}),
        "cat": frozenset({"animal"}),
        "hot dog": frozenset({"food"}),
        "rice": frozenset({"food"}),
    },
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A dog.", {"dog"}),
        ("Two DOGS, and rice!", {"dog", "rice"}),
        ("a hot dog", {"hot dog"}),
        ("hot dogs and puppies", {"hot dog", "dog"}),
        ("a hotdogger on a catwalk", set()),
        ("hot", set()),
        ("", set()),
    ],
)
def test_a_leaf_is_named_by_whole_words_the_longest_first(text: str, found: set[str]) -> None:
    assert Names(ZOO.leaves).find(text) == found


def test_names_are_in_singular_and_plural() -> None:
    assert names_of(ZOO.leaves["dog"]) == ("dog", "dogs", "puppy", "puppies")


def test_made_up_worlds_name_what_they_say_and_every_leaf_as_often() -> None:
    taxonomy = load_taxonomy("coco")
    names = Names(taxonomy.leaves)
    worlds = list(made_up_worlds(taxonomy, names, 800, np.random.default_rng(0)))
    assert {world.sort for world in worlds} == {"list", "words"}
    assert all(world.leaves == names.find(world.text) and world.leaves for world in worlds)
    seen = Counter(leaf for world in worlds for leaf in world.leaves)
    # 800 worlds of 3 leaves on average: 30 for each of the 80
    assert set(seen) == set(taxonomy.leaves) and min(seen.values()) > 20 and max(seen.values()) < 45


def test_captions_are_chosen_so_that_rare_leaves_are_not_drowned() -> None:
    captions = ["a dog on a street"] * 500 + ["a cat on a bed"] * 20 + ["the empty street here"] * 200
    worlds = caption_worlds(captions, ZOO, Names(ZOO.leaves), 40, np.random.default_rng(0))
    seen = Counter(leaf for world in worlds for leaf in world.leaves)
    # at most 3 x 40 / 4 = 30 worlds a leaf; 40 / 20 = 2 worlds that name none
    assert seen["dog"] <= 30 and seen["cat"] > 5
    assert sum(not world.leaves for world in worlds) == 2


def worlds_of(count: int, seed: int) -> list[World]:
    return list(made_up_worlds(ZOO, Names(ZOO.leaves), count, np.random.default_rng(seed)))


def test_answers_follow_from_the_world_and_are_balanced_for_each_concept() -> None:
    coco = load_taxonomy("coco")
    asker = Asker(coco, (), (), np.random.default_rng(1))
    answers: Counter[tuple[str, bool]] = Counter()
    for world in made_up_worlds(coco, Names(coco.leaves), 1500, np.random.default_rng(2)):
        for asked in asker.ask(world):
            there = world.leaves if asked.kind == "leaf" else coco.above(world.leaves)
            assert asked.gold == (asked.concept in there)
            assert not asked.gold or asked.leaf in world.leaves
            answers[asked.concept, asked.gold] += 1
    for concept in (*coco.leaves, *coco.hypernyms):
        yes, no = answers[concept, True], answers[concept, False]
        assert yes > 15 and abs(yes - no) <= max(8, 0.1 * yes), (concept, yes, no)


def test_what_is_kept_apart_or_unknown_is_never_asked() -> None:
    asker = Asker(ZOO, [("dog", "animal"), ("rice", "animal")], ["food"], np.random.default_rng(1))
    asked = [(world.leaves, q.concept) for world in worlds_of(300, 2) for q in asker.ask(world)]
    assert not any(concept == "food" for _, concept in asked)
    assert not any(concept == "animal" and leaves & {"dog", "rice"} for leaves, concept in asked)
    assert any(concept == "animal" for _, concept in asked)


def test_a_hypernym_that_the_world_names_itself_is_not_denied() -> None:
    asker = Asker(ZOO, (), (), np.random.default_rng(1))
    for _ in range(50):
        assert all(q.concept != "animal" for q in asker.ask(World("an animal and rice", frozenset({"rice"}), "list")))


def test_the_same_generator_gives_the_same_worlds() -> None:
    assert worlds_of(50, 3) == worlds_of(50, 3) != worlds_of(50, 4)
