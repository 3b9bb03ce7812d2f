"""Every experiment by one conformance test; what each does to captions whose outcome can be said beforehand."""

from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest

from probing_vlp.errors import UserError
from probing_vlp.experiments import EXPERIMENTS
from probing_vlp.experiments.base import Case, build, find_experiment, human_cases, make_cases, same_bag
from probing_vlp.experiments.pools import Pool, plural, stem, wrong_for
from probing_vlp.tagging import NOUNS, load_tagger

CAPTIONS = (
    "a man riding a horse in a field",
    "two brown dogs on a small bed",
    "a woman is holding a red umbrella",
    "a large white bus parked on a street",
    "a cat and a dog and a cat",
    "three children playing in the snow",
    "a plate of food on a wooden table",
)
ODD = ("", "!?", "一只猫坐在沙发上", "кот сидит на диване", "dog", "a", " ".join(["a dog near"] * 1000))
HUMAN = {
    0: (
        "A man rides a brown horse.",
        "A cowboy with a hat on his horse in the grass by a lake.",
        "Somebody on an animal near a fence",
    ),
    1: ("Two dogs are sleeping.", "A pair of puppies on a couch with a blanket"),
    2: ("A lady with an open umbrella walks in the rain.",),
    3: ("The bus drives under a bridge at night.", "Public transport near tall buildings"),
    4: ("Pets look at a window.",),
    5: ("Kids with sleds on a hill", "Young boys throw snowballs behind a house"),
    6: ("Pizza and salad with two forks.", ""),
}
GENERATOR = np.random.default_rng


@cache
def tagger() -> Any:
    return load_tagger()


def cases_of(*captions: str, human: dict[int, tuple[str, ...]] | None = None) -> list[Case]:
    return make_cases(enumerate(captions), human or dict.fromkeys(range(len(captions)), ("",)), tagger())


def made(name: str, *captions: str) -> list[str | None]:
    return build(name, find_experiment(name), cases_of(*captions), GENERATOR(1))


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return cases_of(*CAPTIONS, human=HUMAN)


@pytest.fixture(scope="module")
def odd() -> list[Case]:
    return cases_of(*ODD, human=dict.fromkeys(range(len(ODD)), ("", "a dog sits on a mat", "собака")))


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_keeps_the_rules(name: str, cases: list[Case]) -> None:
    construct = find_experiment(name)
    captions = construct(cases, GENERATOR(1))
    assert len(captions) == len(cases) and any(captions)
    assert all(caption is None or caption.split() for caption in captions)
    assert all(caption != case.caption for case, caption in zip(cases, captions, strict=True))
    assert captions == construct(cases, GENERATOR(1))
    if name != "other-caption":  # nothing else depends on the order of the cases
        assert construct(cases[::-1], GENERATOR(1))[::-1] == captions


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_odd_captions_never_stop_an_experiment(name: str, odd: list[Case]) -> None:
    for some in (odd, odd[:1], human_cases(odd), []):
        captions = build(name, find_experiment(name), some, GENERATOR(1))
        assert len(captions) == len(some)
        assert all(
            caption is None or (caption.strip() and caption != c.caption)
            for caption, c in zip(captions, some, strict=True)
        )
    assert build(name, find_experiment(name), odd, GENERATOR(1))[:2] == [None, None]  # no words, nothing to change


def test_cases_are_in_normal_form() -> None:
    case = cases_of("A  man's Dog, on a sofa/bed!", human={0: ("", "The dog. A second dog and a MAN", "two cats")})[0]
    assert case.caption == "a mans dog on a sofa bed" == " ".join(case.words)
    assert case.references == ("the dog a second dog and a man", "two cats")  # the blank one is left out
    assert case.reference_nouns == ["dog", "man", "cats"]
    human = human_cases([case])[0]
    assert (human.caption, human.image_id) == ("the dog a second dog and a man", 0)
    assert human.visual_words == ["dog", "man"] and human.reference_nouns == case.reference_nouns


def test_replacing_visual_words_leaves_the_rest(cases: list[Case]) -> None:
    for case, caption in zip(cases, built("visual-replaced", cases), strict=True):
        assert caption
        for (word, part), new in zip(case.tags, caption.split(), strict=True):
            assert (new == word) == (part not in NOUNS)
            if part in NOUNS:
                assert stem(new) not in {stem(known) for known in case.known}
    words = (built("visual-replaced", cases)[4] or "").split()
    assert words[1] == words[7] != words[4]  # the cat that stood there twice


def test_replacing_others_leaves_the_visual_words(cases: list[Case]) -> None:
    neutral = set(Pool(cases).neutral())
    for case, caption in zip(cases, built("others-replaced", cases), strict=True):
        assert caption
        for (word, part), new in zip(case.tags, caption.split(), strict=True):
            assert (new == word) == (part in NOUNS)
            assert part in NOUNS or (new in neutral and new not in case.known)


@pytest.mark.parametrize(
    ("name", "parts"), [("attribute-swapped", ("ADJ",)), ("relation-swapped", ("ADP", "VERB")), ("noun-swapped", NOUNS)]
)
def test_a_swap_changes_one_word(name: str, parts: tuple[str, ...], cases: list[Case]) -> None:
    for case, caption in zip(cases, built(name, cases), strict=True):
        if caption is None:
            assert not any(part in parts for _, part in case.tags)
            continue
        changed = [(tagged, new) for tagged, new in zip(case.tags, caption.split(), strict=True) if tagged[0] != new]
        assert len({tagged for tagged, _ in changed}) == 1
        assert changed[0][0][1] in parts and changed[0][1] not in case.known


def test_wrong_words_are_wrong_in_either_number() -> None:
    case = cases_of("a dog", human={0: ("two puppies and a bus",)})[0]
    assert list(filter(wrong_for(case), ["dog", "dogs", "puppy", "buses", "cat", "men"])) == ["cat", "men"]


def test_plurals() -> None:
    words = ("dog", "bus", "box", "bench", "puppy", "toy", "man", "sheep", "glass", "dish", "pizza")
    assert [stem(plural(word)) for word in words] == list(words)
    assert [plural(word) for word in ("dog", "bus", "puppy", "toy", "woman")] == [
        "dogs",
        "buses",
        "puppies",
        "toys",
        "women",
    ]


def test_same_words_in_another_order(cases: list[Case]) -> None:
    for name in ("shuffled", "nouns-exchanged"):
        for case, caption in zip(cases, built(name, cases), strict=True):
            assert caption is None or same_bag(case.caption, caption)
    assert built("shuffled", cases_of("dog", "dog dog dog", "a dog")) == [None, None, "dog a"]
    assert made("nouns-exchanged", "a man riding a horse", "a man", "a man and a man") == [
        "a horse riding a man",
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("caption", "negated"),
    [
        ("a woman is holding an umbrella", "a woman is not holding an umbrella"),
        ("a man riding a horse", "a man not riding a horse"),
        ("a dog on a bed", "no dog on a bed"),
        ("two dogs on beds", "no two dogs on beds"),
        ("no dogs on a bed", None),
    ],
)
def test_negation(caption: str, negated: str | None) -> None:
    assert made("negated", caption) == [negated]


def test_counts() -> None:
    two, brown, none = made("count-changed", "two dogs on a bed", "the street with a brown dog", "dogs on beds")
    assert (
        two
        and two.split()[0] in ("three", "four", "five", "six", "seven")
        and two.split()[1:] == ["dogs", "on", "a", "bed"]
    )
    assert brown and brown.split()[3] in ("two", "three", "four", "five", "six", "seven")
    assert brown.split()[:3] == ["the", "street", "with"] and brown.split()[4:] == ["brown", "dogs"]
    assert none is None


@pytest.mark.parametrize(
    ("name", "caption", "wanted"),
    [
        ("truncated", "a man riding a horse in field", "a man riding a horse"),  # 7 words: 7 // 3 = 2 lost
        ("truncated", "a dog", None),
        ("end-dropped", "a man riding a horse in a field", "a man riding a horse in a"),
        ("end-dropped", "dogs running", "dogs running with a"),
        ("end-dropped", "a man with a", None),
        ("repeated", "a dog", "a dog a dog"),
        ("prefixed", "a dog", "a image image of a dog"),
    ],
)
def test_cut_repeated_and_prefixed(name: str, caption: str, wanted: str | None) -> None:
    assert made(name, caption) == [wanted]


def test_true_nouns_are_appended() -> None:
    human = {0: ("a horse and a fence in the grass", "two riders"), 1: ("a dog and a cat",)}
    found = cases_of("a man on horses", "a dog", human=human)
    assert built("nouns-appended", found) == ["a man on horses fence grass riders", None]


def test_nobody_keeps_his_caption() -> None:
    texts = ["a dog"] * 4 + ["a cat"] * 3 + ["a bird", "a horse"]
    for seed in range(20):
        found = build("other-caption", find_experiment("other-caption"), cases_of(*texts), GENERATOR(seed))
        assert all(new is not None and new != old for new, old in zip(found, texts, strict=True))
        assert Counter(found) == Counter(texts)  # each is given away once
    assert made("other-caption", "a dog", "a dog", "a dog", "a cat").count(None) == 2  # 3 of 4 alike: one gets the cat


def test_what_a_caption_becomes_does_not_depend_on_its_neighbours(cases: list[Case]) -> None:
    """But for the pool that words are drawn from, and for other-caption."""
    for name in ("shuffled", "nouns-exchanged", "count-changed"):
        assert built(name, cases[2:5]) == built(name, cases)[2:5]


def built(name: str, cases: Sequence[Case]) -> list[str | None]:
    return build(name, find_experiment(name), cases, GENERATOR(1))


@pytest.mark.parametrize(
    ("construct", "said"),
    [
        (lambda cases, generator: ["a"], "one caption a case, 7; it gave 1"),
        (lambda cases, generator: None, "it gave NoneType"),
        (lambda cases, generator: [3] * len(cases), "gave int"),
    ],
)
def test_an_experiment_of_ones_own_is_checked(construct: Any, said: str, cases: list[Case]) -> None:
    with pytest.raises(UserError, match=said):
        build("mine", construct, cases, GENERATOR(1))


def test_an_experiment_of_ones_own_needs_no_row() -> None:
    assert find_experiment("probing_vlp.experiments.arranging:repeat")(cases_of("a dog"), GENERATOR(1)) == [
        "a dog a dog"
    ]
    for name, said in (
        ("shufled", "did you mean shuffled"),
        ("probing_vlp.experiments.adding:PREFIX", "is not a function"),
    ):
        with pytest.raises(UserError, match=said):
            find_experiment(name)


def test_table_6_from_the_caption_itself() -> None:
    assert made("template-vilbert", "A man riding a horse in a field.") == ["a man that the horse at the field"]
    assert made("template-uniter", "a man riding a horse in a field") == ["a man of the horse field"]
    human = {0: ("Tracks with a person, a guy", "The background and a bicycle", "a man on a bike near a train")}
    five = cases_of("nothing", human=human)
    assert built("words-5", five) == ["a tracks of a person of a guy of a background of a bicycle"]  # lxmert's template
