"""Label maps: one to one, nothing in its place, categories kept or broken."""

from pathlib import Path

import numpy as np
import pytest
from taxonomy_images import index_of, taxonomy_of

from probing_vlp.errors import UserError
from probing_vlp.taxonomy.asking.maps import MAPS, check_map, derange, groups_within, make_map, relabel
from probing_vlp.taxonomy.asking.taxonomies import load_taxonomy


@pytest.mark.parametrize("kind", MAPS)
@pytest.mark.parametrize("seed", [0, 1, 42])
def test_every_map_is_one_to_one(kind: str, seed: int) -> None:
    taxonomy = load_taxonomy("coco")
    label_map = make_map(kind, taxonomy, seed)
    assert list(label_map) == sorted(taxonomy.leaves) == sorted(label_map.values())
    fixed = sum(label == leaf for label, leaf in label_map.items())
    assert fixed == 80 if kind == "original" else kind == "across_paper" or fixed == 0
    assert make_map(kind, taxonomy, seed) == label_map
    if kind != "original":
        assert make_map(kind, taxonomy, seed + 100) != label_map


@pytest.mark.parametrize(
    "pairs",
    [
        "a,x\nb,y",
        "a,x\nb,x\nc,y",
        "a,x\na,y\nb,x\nc,y\nd,z",
        "a,x\nb,y\nc,z",
        "a,x\na,y\nb,x\nc,x\nc,z\nd,w",
        "a,x\nb,x\nb,y\nc,x\nc,y\nc,z",
    ],
)
@pytest.mark.parametrize("kind", ["within", "within_paper", "across"])
def test_small_taxonomies_have_maps(pairs: str, kind: str, tmp_path: Path) -> None:
    taxonomy = taxonomy_of(tmp_path, pairs)
    for seed in range(5):
        label_map = make_map(kind, taxonomy, seed)
        assert sorted(label_map) == sorted(label_map.values()) == sorted(taxonomy.leaves)
        assert all(label != leaf for label, leaf in label_map.items())


def test_groups_within(tmp_path: Path) -> None:
    # a b c {animal}, d e {animal, bird}; alone: g {animal, bird, pet}, nearest d e; h {toy}; i {toy, ball}, nearest h
    lines = "a,animal b,animal c,animal d,animal d,bird e,animal e,bird g,animal g,bird g,pet h,toy i,toy i,ball"
    taxonomy = taxonomy_of(tmp_path, lines.replace(" ", "\n"))
    assert groups_within(taxonomy) == [["a", "b", "c"], ["d", "e", "g"], ["h", "i"]]
    # the paper: g's set contains {animal, bird}, the largest; h and i find no group of two: deranged together
    assert groups_within(taxonomy, paper=True) == [["a", "b", "c"], ["d", "e", "g"], ["h", "i"]]


def test_groups_within_differ_from_the_papers_where_little_is_contained(tmp_path: Path) -> None:
    # bear {thing, animal, mammal} contains only {thing}, of person and plant; it is one away from that of cat and dog
    pets = "".join(f"{pet},{h}\n" for pet in ("cat", "dog") for h in ("thing", "animal", "mammal", "pet"))
    lines = f"{pets}person,thing\nplant,thing\nbear,thing\nbear,animal\nbear,mammal"
    taxonomy = taxonomy_of(tmp_path, lines)
    assert groups_within(taxonomy) == [["bear", "cat", "dog"], ["person", "plant"]]
    assert groups_within(taxonomy, paper=True) == [["bear", "person", "plant"], ["cat", "dog"]]


def test_within_keeps_hypernyms_and_across_does_not() -> None:
    taxonomy = load_taxonomy("coco")

    def kept(kind: str) -> float:
        shared = [
            len(taxonomy.pairs[label] & taxonomy.pairs[leaf]) / len(taxonomy.pairs[label])
            for label, leaf in make_map(kind, taxonomy, 3).items()
        ]
        return float(np.mean(shared))

    assert kept("original") == 1 and kept("within") > 0.9 > 0.4 > kept("across")


def test_derangements_are_uniform() -> None:
    generator = np.random.default_rng(0)
    drawn = [tuple(derange("abc", generator).values()) for _ in range(200)]
    # the two derangements of three; 200 draws: 100 +- 7
    assert set(drawn) == {("b", "c", "a"), ("c", "a", "b")} and 70 < drawn.count(("b", "c", "a")) < 130


def test_relabel(tmp_path: Path) -> None:
    taxonomy = taxonomy_of(tmp_path)
    images = index_of(taxonomy, ["crow, dog, car?"], []).parts["train"]
    label_map = {leaf: leaf for leaf in taxonomy.leaves} | {"cat": "crow", "crow": "cat", "bus": "car", "car": "bus"}
    shown = relabel(images, label_map)["train0"]
    # the label cat stands on images of crows; dogs stay; what may be a car may be called a bus
    assert shown.leaves == {"cat", "dog"} and shown.unsure == {"bus"}
    assert relabel(images, {leaf: leaf for leaf in taxonomy.leaves})["train0"] == images[0]


def test_maps_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not one to one: look at a"):
        check_map({"a": "b", "b": "b"}, ["a", "b"])
    with pytest.raises(UserError, match="not one to one"):
        check_map({"a": "a"}, ["a", "b"])
    with pytest.raises(UserError, match="leaves a in place"):
        check_map({"a": "a", "b": "c", "c": "b"}, "abc")
    check_map({"a": "a", "b": "c", "c": "b"}, "abc", fixed_points=True)
    with pytest.raises(UserError, match="label map 'up': is none of original, within, across"):
        make_map("up", load_taxonomy("coco"), 0)
    with pytest.raises(UserError, match="needs two leaves or more; zoo has 1"):
        make_map("across", taxonomy_of(tmp_path, "dog,animal"), 0)
