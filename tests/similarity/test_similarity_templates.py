"""Sentences, and where the word stands in them."""

from pathlib import Path

import pytest

from probing_vlp.errors import UserError
from probing_vlp.similarity.words.stimuli import EVENTS, OBJECTS, Stimuli
from probing_vlp.similarity.words.templates import CONDITIONS, fill, put, read_templates, shipped

NOUNS = Stimuli(("dog", "ice cream", "owl"), ("animal", "food", "animal"))


def test_the_conditions_that_are_there() -> None:
    counts = {name: sum(one.condition == name for one in shipped()) for name in CONDITIONS}
    assert counts == {"isolated": 1, "neutral": 5, "caption-like": 40, "generic-caption-like": 2}
    categories = [one.category for one in shipped() if one.condition == "caption-like"]
    assert {name: categories.count(name) for name in (*OBJECTS, *EVENTS)} == dict.fromkeys((*OBJECTS, *EVENTS), 5)


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("rule", ["paper", "correct"])
def test_the_slot_is_the_word(condition: str, rule: str) -> None:
    for one in fill(NOUNS, condition, rule):
        assert one.text[one.start : one.end].lower() == one.word
        assert one.text[0].isupper() or condition == "isolated"


def test_neutral_as_in_the_paper() -> None:
    assert [one.text for one in fill(NOUNS, "neutral")[:5]] == [
        "Someone mentioned the dog.",
        "The post was about the dog.",
        "Everyone was talking about the dog.",
        "They were all interested in the dog.",
        "People know about the dog.",
    ]
    assert fill(NOUNS, "neutral")[5] == ("ice cream", "neutral 1", "Someone mentioned the ice cream.", 22, 31)


def test_generic_with_articles() -> None:
    texts = [one.text for one in fill(NOUNS, "generic-caption-like")]
    assert texts == ["A dog", "There is a dog", "An ice cream", "There is an ice cream", "An owl", "There is an owl"]


def test_caption_like_sentences_are_the_categorys() -> None:
    dog, ice, owl = (fill(NOUNS, "caption-like")[start : start + 5] for start in (0, 5, 10))
    around = [[(one.text[: one.start].lower(), one.text[one.end :]) for one in rows] for rows in (dog, ice, owl)]
    assert around[0] == [(before.replace("an ", "a "), after) for before, after in around[2]]
    assert not set(around[0]) & set(around[1])


def test_the_paper_lowers_all_but_the_first_letter() -> None:
    one = put("NASA", "There is {article} {word} in Rome", "t", "paper")
    assert (one.text, one.start, one.end) == ("There is a nasa in rome", 11, 15)
    assert put("NASA", "There is {article} {word} in Rome", "t", "correct").text == "There is a NASA in Rome"
    assert put("NASA", "the {word} in Rome", "t", "paper").text == "the NASA in Rome"  # no article, nothing is changed
    assert put("owl", "{article} {word} at night", "t").text == "An owl at night"


def test_a_word_inside_an_earlier_one() -> None:
    one = put("cat", "Cats, concatenated: the {word}.", "t")
    assert one.start == 24 and one.text[24:27] == "cat"
    letter = put("İzmir", "{word} is {article} city", "t")  # its lower case is longer than it
    assert letter.text[letter.start : letter.end].casefold() == "İzmir".lower().casefold()


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_files_of_ones_own(tmp_path: Path) -> None:
    plain = read_templates(write(tmp_path / "a.yaml", "- 'I saw the {word}'\n- 'Is it {article} {word}?'\n"), "mine")
    assert [one.text for one in fill(NOUNS, "mine", templates=plain)[:2]] == ["I saw the dog", "Is it a dog?"]
    named = read_templates(
        write(tmp_path / "b.yaml", "seen:\n  animal: ['the {word} runs']\n  food: ['the {word} melts']\n")
    )
    assert [one.text for one in fill(NOUNS, "seen", templates=named)][:2] == ["the dog runs", "the ice cream melts"]
    table = 'template,category\nthe {word},\n"my {word}, here",Food\n'
    rows = read_templates(write(tmp_path / "c.csv", table), "mine")
    assert [one.text for one in fill(NOUNS, "mine", templates=rows)] == [
        "the dog",
        "the ice cream",
        "my ice cream, here",
        "the owl",
    ]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("t.yaml", "- no slot here\n", "entry 1: 'no slot here' has 0 times"),
        ("t.yaml", "- '{word} and {word}'\n", "has 2 times"),
        ("t.yaml", "- '{word} of {colour}'\n", "unknown slot {colour}"),
        ("t.yaml", "- {word}\n", "is no sentence; quote what begins with"),
        ("t.yaml", "[]\n", "holds no templates"),
        ("t.yaml", "12\n", "a list of sentences is needed, not int"),
        ("t.yaml", "a: [b\n", "not a template file"),
        ("t.csv", "text\nthe {word}\n", "no column template among text"),
    ],
)
def test_bad_template_files(tmp_path: Path, name: str, text: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        read_templates(write(tmp_path / name, text))


def test_what_cannot_be_filled(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="condition 'natural': no templates; there are: caption-like, generic"):
        fill(NOUNS, "natural")
    with pytest.raises(UserError, match="name none; give a CSV with columns word, category"):
        fill(Stimuli(("dog",)), "caption-like")
    with pytest.raises(UserError, match="no templates for category 'planet' of 'mars'; there are: animal"):
        fill(Stimuli(("mars",), ("planet",)), "caption-like")
    with pytest.raises(UserError, match="article rule 'french' is not one of paper, correct"):
        fill(NOUNS, "neutral", "french")
    with pytest.raises(UserError, match="no such template file"):
        read_templates(tmp_path / "nowhere.yaml")
