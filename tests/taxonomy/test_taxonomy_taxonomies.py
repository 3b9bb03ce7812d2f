"""Taxonomies from files, and the English around their names."""

import os
from pathlib import Path

import pytest
from taxonomy_images import taxonomy_of

from probing_vlp.data.coco_objects import CATEGORIES, mentions
from probing_vlp.errors import UserError
from probing_vlp.taxonomy.asking.questions import namesakes
from probing_vlp.taxonomy.asking.taxonomies import load_taxonomy
from probing_vlp.taxonomy.grammar import is_mass, plural, surface, with_article
from probing_vlp.taxonomy.prompts import question_text

THINGS = Path(os.environ.get("PROBING_VLP_DATA", "."), "things-taxonomy", "pairs.csv")


PHRASES = """a dog, an apple, an hour, an hourglass, an heirloom, a horse, a unicorn, a uniform, a unicycle,
an umbrella, an unimportant thing, a utensil, a ukulele, a urinal, an urn, a European car, a ewe, a one-way sign,
an onion, an X-ray, a T-shirt, a U-boat, an SUV, a TV, an MP3 player, a UFO, a yo-yo, an item of clothing"""


@pytest.mark.parametrize("phrase", " ".join(PHRASES.split()).split(", "))
def test_articles_go_by_sound(phrase: str) -> None:
    assert with_article(phrase.split(" ", 1)[1]) == phrase


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("dog", "dogs"),
        ("wine glass", "wine glasses"),
        ("fly", "flies"),
        ("key", "keys"),
        ("knife", "knives"),
        ("mouse", "mice"),
        ("potato", "potatoes"),
        ("bookshelf", "bookshelves"),
        ("sheep", "sheep"),
        ("item of clothing", "items of clothing"),
        ("source of light", "sources of light"),
        ("pair of scissors", "scissors"),
        ("broccoli", "broccoli"),
    ],
)
def test_plurals(one: str, many: str) -> None:
    assert plural(one) == many


def test_names_of_folders_become_words() -> None:
    names = ["ice-cream_cone", "bracelet2", "camera2", "jeans", "clothing", "green_beans", "mp3"]
    assert [surface(name) for name in names] == [
        "ice-cream cone",
        "bracelet",
        "camera",
        "pair of jeans",
        "item of clothing",
        "green bean",
        "mp3",
    ]
    assert is_mass("peanut butter") and not is_mass("peanut")


def test_the_taxonomy_of_coco() -> None:
    taxonomy = load_taxonomy("coco")
    assert list(taxonomy.leaves) == sorted(CATEGORIES)
    assert 20 <= len(taxonomy.hypernyms) <= 30
    sizes = {hypernym: len(taxonomy.members(hypernym)) for hypernym in taxonomy.hypernyms}
    assert min(sizes.values()) >= 2 and max(sizes.values()) < 40
    assert taxonomy.pairs["dog"] >= {"animal", "mammal", "living thing"}
    assert set(taxonomy.members("animal")) - set(taxonomy.members("mammal")) == {"bird"}
    assert set(taxonomy.members("motor vehicle")) < set(taxonomy.members("vehicle"))
    assert set(taxonomy.members("fruit")) == {"banana", "apple", "orange"} < set(taxonomy.members("food"))
    assert namesakes(taxonomy) == frozenset()
    words = [(leaf.id, word) for leaf in taxonomy.leaves.values() for word in leaf.words if word != "toy bear"]
    assert all(mentions(word.split()) == [leaf] for leaf, word in words) and len(words) > 300


def test_questions_of_coco() -> None:
    taxonomy = load_taxonomy("coco")
    asked = {name: question_text(taxonomy.leaves[name]) for name in ("dog", "umbrella", "broccoli", "scissors", "bus")}
    assert list(asked.values()) == [
        "Is there a dog in this image?",
        "Is there an umbrella in this image?",
        "Is there broccoli in this image?",
        "Is there a pair of scissors in this image?",
        "Is there a bus in this image?",
    ]
    assert question_text(taxonomy.hypernyms["furniture"]) == "Is there a piece of furniture in this image?"
    assert question_text(taxonomy.hypernyms["food"], "paper") == "<image>\nIs there food in this image?"
    with pytest.raises(UserError, match="prompt style 'loud': is none of plain, paper"):
        question_text(taxonomy.hypernyms["food"], "loud")


@pytest.mark.skipif(not THINGS.exists(), reason="PROBING_VLP_DATA is not set")
def test_the_taxonomy_of_things() -> None:
    taxonomy = load_taxonomy(str(THINGS))
    assert len({leaf.surface for leaf in taxonomy.leaves.values()}) == 1216 and len(taxonomy.leaves) == 1222
    assert len(taxonomy.hypernyms) == 53 and sum(map(len, taxonomy.pairs.values())) == 2040
    sizes = [len(above) for above in taxonomy.pairs.values()]
    assert [sizes.count(n) for n in range(1, 7)] == [627, 426, 122, 41, 5, 1]  # as published
    assert len(taxonomy.members("animal")) == 167 and len(taxonomy.members("condiment")) == 7
    surfaces = [taxonomy.hypernyms[name].a() for name in ("clothing", "hardware", "lighting", "part of car", "jewelry")]
    assert surfaces == [
        "an item of clothing",
        "a hardware item",
        "a source of light",
        "a car part",
        "a piece of jewelry",
    ]
    assert taxonomy.hypernyms["musical instrument"].a() == "a musical instrument"


def test_nested_hypernyms_are_closed(tmp_path: Path) -> None:
    taxonomy = taxonomy_of(tmp_path, "dog,mammal\nmammal,animal\nanimal,living thing\ncrow,animal")
    assert taxonomy.pairs == {
        "crow": {"animal", "living thing"},
        "dog": {"mammal", "animal", "living thing"},
    }
    assert taxonomy.members("animal") == ("crow", "dog")


def test_a_leaf_may_bear_the_name_of_its_hypernym_as_in_things(tmp_path: Path) -> None:
    taxonomy = taxonomy_of(tmp_path, "bird,bird\nbird,animal\ncrow,bird\ndog,animal")
    assert taxonomy.pairs == {"bird": {"bird", "animal"}, "crow": {"bird"}, "dog": {"animal"}}


def test_what_a_file_says_comes_first(tmp_path: Path) -> None:
    lines = "mouse,device,computer mouse,,,pointer; pointing device,gadget,,\nmouse,thing,,,,,,,\nink,thing,,,yes,,,,"
    columns = "leaf,hypernym,surface,plural,mass,words,hypernym_surface,hypernym_plural,hypernym_mass"
    taxonomy = taxonomy_of(tmp_path, lines, columns)
    mouse, ink = taxonomy.leaves["mouse"], taxonomy.leaves["ink"]
    assert (mouse.a(), mouse.plural, mouse.words) == (
        "a computer mouse",
        "computer mice",
        ("pointer", "pointing device"),
    )
    assert (ink.a(), ink.plural) == ("ink", "ink")
    assert taxonomy.hypernyms["device"].plural == "gadgets"


def test_signature_is_of_the_content(tmp_path: Path) -> None:
    one = taxonomy_of(tmp_path, "dog,animal\ncat,animal\ncar,vehicle")
    turned = taxonomy_of(tmp_path, "car,vehicle\ncat,animal\ndog,animal")
    assert one.signature == turned.signature == one.part(["dog", "cat"]).signature
    assert one.signature != taxonomy_of(tmp_path, "dog,animal\ncat,animal").signature
    assert list(one.part(["dog", "cat"]).hypernyms) == ["animal"]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("dog,mammal\nmammal,animal\nanimal,mammal", "cyclic taxonomy: animal is a mammal is a animal"),
        ("a,b\nb,a", "cyclic taxonomy: a is a b is a a"),
        ("dog,animal\nrock,rock", "line 3: cyclic taxonomy: 'rock' is its own hypernym"),
        ("dog,animal\ncat,Animal", "line 3: 'Animal' and 'animal' (line 2) differ in case"),
        ("Dog,animal\ndog,pet", "line 3: 'dog' and 'Dog' (line 2) differ in case"),
        ("ice cream,food\nice_cream,sweet", "'ice_cream' and 'ice cream'"),
        ("dog,animal\ndog,animal", "line 3: dog,animal stands in line 2 already"),
        ("dog,animal\n,plant", "line 3: hypernym 'plant' without a leaf"),
        ("dog,", "line 2: leaf 'dog' without a hypernym"),
        ("cat,animal\nhot, dog,food", "line 3: more fields than columns"),
        (" , ", "line 2: empty names"),
        ("", "empty; it needs columns leaf,hypernym"),
        ("bulb,lighting\nlamp,source of light", "are both called 'source of light'"),
    ],
)
def test_what_is_no_taxonomy(lines: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        taxonomy_of(tmp_path, lines)
    assert said in str(error.value) and "\n" not in str(error.value)


def test_what_is_no_file_of_a_taxonomy(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r'nowhere.csv: no such taxonomy \(CSV\); .* or give "coco"'):
        load_taxonomy(str(tmp_path / "nowhere.csv"))
    with pytest.raises(UserError, match="line 1: no column leaf nor hypernym"):
        taxonomy_of(tmp_path, "dog,animal", "child,parent")
    with pytest.raises(UserError, match="line 1: two columns are named leaf"):
        taxonomy_of(tmp_path, "dog,animal,cat", "leaf,hypernym,leaf")
    with pytest.raises(UserError, match="mass 'maybe' is neither yes nor no"):
        taxonomy_of(tmp_path, "dog,animal,maybe", "leaf,hypernym,mass")
    with pytest.raises(UserError, match="'dog' has several values of surface"):
        taxonomy_of(tmp_path, "dog,animal,hound\ndog,pet,puppy", "leaf,hypernym,surface")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not a CSV file in UTF-8"):
        load_taxonomy(str(tmp_path / "binary.csv"))
