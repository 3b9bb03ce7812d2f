"""The paper's Tables 6 and 7, word for word, from the template tool; and templates of one's own."""

import pytest
from programs import Programs

from probing_vlp.commands.template import TemplateConfig, visual_words
from probing_vlp.errors import UserError
from probing_vlp.experiments.templates import TEMPLATES, own_template, parse_template

TOP = ("man", "horse", "field")
BOTTOM = ("tracks", "person", "guy", "background", "bicycle", "man", "bike", "train")
TABLE_6_TOP = {
    "uniter": "a man of the horse field",
    "rosita": "a image image that a a man but a a horse but a a field",
    "vilbert": "a man that the horse at the field",
    "clip": "a image image of a man near a horse near a field",
    "lxmert": "a man of a horse of a field",
}
TABLE_6_BOTTOM = {
    "uniter": "a tracks of the person guy background bicycle",
    "rosita": "a image image that a a tracks but a a person but a a guy but a a background but a a bicycle",
    "vilbert": "a tracks that the person at the guy at the background at the bicycle",
    "clip": "a image image of a tracks near a person near a guy near a background near a bicycle",
    "lxmert": "a tracks of a person of a guy of a background of a bicycle",
}
TABLE_7 = {
    "uniter": "a+NOUN+of+the+(NOUN)*",
    "rosita-table7": "a+image+image+that+is+a+a+NOUN (but+a+a+NOUN)*",
    "vilbert": "a+NOUN+that+the+NOUN+(at+the+NOUN)*",
    "clip-table7": "a+image+image+of+NOUN+(near+a+NOUN)*",
    "lxmert": "a+NOUN+(of+a+NOUN)*",
}


@pytest.mark.parametrize("name", TABLE_6_TOP)
def test_table_6(name: str) -> None:
    assert parse_template(name).fill(TOP) == TABLE_6_TOP[name]
    assert parse_template(name).fill(BOTTOM[:5]) == TABLE_6_BOTTOM[name]


@pytest.mark.parametrize("name", TABLE_7)
def test_table_7_in_its_own_notation(name: str) -> None:
    assert parse_template(TABLE_7[name]) == parse_template(name)


def test_where_table_7_differs_from_table_6() -> None:
    assert parse_template("rosita-table7").fill(TOP) == "a image image that is a a man but a a horse but a a field"
    assert parse_template("clip-table7").fill(TOP) == "a image image of man near a horse near a field"


@pytest.mark.parametrize(
    ("template", "words", "caption"),
    [
        ("vilbert", ("man",), "a man"),
        ("uniter", ("man",), "a man"),  # no "of the" where nothing follows
        ("vilbert", (), None),
        ("rosita", (), None),
        ("a NOUN near a NOUN", ("man", "horse", "field"), "a man near a horse"),
        ("a photo of (NOUN and NOUN)* here", ("a", "b"), "a photo of a and b here"),
        ("a photo of (NOUN and NOUN)* here", ("a", "b", "c"), "a photo of a and b c"),
        ("NOUN (, NOUN)* with a NOUN", ("a", "b", "c"), "a , b with a c"),
    ],
)
def test_too_few_and_too_many_words(template: str, words: tuple[str, ...], caption: str | None) -> None:
    assert parse_template(template).fill(words) == caption


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("a photo", "has no slot; write NOUN"),
        ("photo", "or name uniter, rosita"),
        ("", "has no slot"),
        ("a NOUNS", "has no slot"),
        ("a NOUN (of a)*", "repeated part has no slot"),
        ("a NOUN ()*", "repeated part has no slot"),
        ("a NOUN (of a NOUN", "between \\( and \\)\\*"),
        ("a (NOUN)* (NOUN)*", "one repeated part"),
        ("a ((NOUN)*)*", "one repeated part"),
    ],
)
def test_bad_templates(template: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        parse_template(template)


def test_a_scorer_has_its_own_template() -> None:
    names = ("uniter", "mini-clip", "mini-vilbert", "cider", "my_package:Scorer")
    assert [own_template(name) for name in names] == ["uniter", "clip", "vilbert", "lxmert", "lxmert"]
    assert all(own_template(name) in TEMPLATES for name in names)


def test_visual_words_of_a_caption_or_as_typed() -> None:
    assert visual_words(TemplateConfig(caption="A man riding a horse in a field.")) == ["man", "horse", "field"]
    assert visual_words(TemplateConfig(words=["man,horse", "field"], count=2)) == ["man", "horse"]
    for config, said in (
        (TemplateConfig(), "--words man horse field"),
        (TemplateConfig(caption="very nice"), "has no noun"),
        (TemplateConfig(words=["man"], caption="a man"), "not both"),
        (TemplateConfig(words=["man"], count=-1), "--count -1"),
    ):
        with pytest.raises(UserError, match=said):
            visual_words(config)


def test_the_command(programs: Programs) -> None:
    shown = programs.run("probe.py", "template", "--words", *BOTTOM, "--count", "5").succeeded().out
    assert {
        line.split(maxsplit=1)[0]: line.split(maxsplit=1)[1] for line in shown.splitlines()
    }.items() >= TABLE_6_BOTTOM.items()
    one = programs.run("probe.py", "template", "--words", "man,horse", "--template", "a NOUN by a NOUN").succeeded()
    assert one.out == "a man by a horse\n"
    bad = programs.run("probe.py", "template", "--words", "man", "--template", "a photo")
    assert bad.code == 2 and bad.err.startswith("error: template 'a photo': has no slot") and bad.err.count("\n") == 1
