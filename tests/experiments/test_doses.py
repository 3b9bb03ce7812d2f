"""Doses on captions typed here: what is added where, and what is left alone."""

from dataclasses import replace

import numpy as np
import pytest

from probing_vlp.commands.verify import VerifyConfig, choose
from probing_vlp.experiments import EXPERIMENTS
from probing_vlp.experiments.base import Case, Construct, build, make_cases
from probing_vlp.experiments.doses import (
    CONTRASTS,
    append_fillers,
    append_wrong_nouns,
    connect,
    connect_others,
    connectives,
    fillers,
    fillers_first,
    fillers_last,
    phrases,
    prefix_first,
    prefix_last,
    repeat_nouns,
)
from probing_vlp.tagging import load_tagger

REFERENCES = {
    1: ["A man is riding a horse in a field.", "The man sits there on his brown horse."],
    2: ["Two dogs are playing with a ball outside.", "These dogs are very happy together."],
    3: ["This is a red bus on the street."],
}
CAPTIONS = [(1, "a man riding a horse in a field"), (2, "dogs"), (3, "")]


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return make_cases(CAPTIONS, REFERENCES, load_tagger())


def made(construct: Construct, cases: list[Case]) -> list[str | None]:
    return build("dose", construct, cases, np.random.default_rng(1))


def test_nouns_that_the_caption_has(cases: list[Case]) -> None:
    assert made(repeat_nouns, cases) == ["a man riding a horse in a field man horse field", "dogs dogs dogs dogs", None]


def test_nouns_that_nobody_uses_for_the_image(cases: list[Case]) -> None:
    first, second, _ = made(append_wrong_nouns, cases)
    assert first and set(first.removeprefix(cases[0].caption).split()) <= {"dogs", "ball", "bus", "street"}
    assert second and set(second.split()[1:]) <= {"man", "horse", "field", "bus", "street"}


def test_fillers_say_nothing(cases: list[Case]) -> None:
    offered = fillers(cases)
    assert {"the", "his", "very", "these"} <= set(offered)
    assert not {"man", "riding", "red", "in", "two", "is"} & set(offered)
    first, second, blank = made(append_fillers, cases)
    assert first and first.startswith(cases[0].caption) and len(first.split()) == 11
    assert not set(first.split()[8:]) & cases[0].known
    assert second and blank is None


def test_words_at_either_end(cases: list[Case]) -> None:
    assert made(replace(prefix_first, prefix="there is"), cases)[0] == "there is a man riding a horse in a field"
    assert made(replace(prefix_last, prefix="there is"), cases)[0] == "a man riding a horse in a field there is"
    for construct, place in ((fillers_first, slice(0, 2)), (fillers_last, slice(-2, None))):
        caption = made(replace(construct, prefix="there is"), cases)[0]
        assert caption and len(caption.split()) == 10 and set(caption.split()[place]) <= set(fillers(cases))


@pytest.mark.parametrize("construct", [prefix_first, prefix_last, fillers_first, fillers_last])
def test_a_caption_that_begins_so_already(construct: Construct, cases: list[Case]) -> None:
    first, second, _ = made(replace(construct, prefix="a man"), cases)  # type: ignore[type-var]
    assert first is None and second


def test_a_connective_before_every_phrase_but_the_first(cases: list[Case]) -> None:
    assert phrases(cases[0]) == [3, 6]
    assert made(connect, cases)[:2] == ["a man riding and a horse in and a field", None]
    between = made(connect_others, cases)[0]
    assert between and len(between.split()) == 10
    assert [word for i, word in enumerate(between.split()) if i not in (3, 7)] == cases[0].words
    assert {between.split()[3], between.split()[7]} <= connectives(cases).keys() - {"and"}


def test_connectives_are_counted_in_human_captions(cases: list[Case]) -> None:
    assert connectives(cases) == {"in": 1, "on": 2, "with": 1}
    without = made(replace(connect_others, connective="on"), cases)[0]
    assert without and set(without.split()) <= {*cases[0].words, "in", "with"}


def test_words_of_ones_own_by_options() -> None:
    names = ["prefix-last", "connected", "shuffled"]
    _, chosen = choose(VerifyConfig("dump", experiments=names, prefix="A photo, of", connective="near"))
    assert chosen["prefix-last"] == replace(prefix_last, prefix="a photo of")
    assert chosen["connected"] == replace(connect, connective="near")
    _, usual = choose(VerifyConfig("dump", experiments=names))
    assert (usual["prefix-last"], usual["connected"]) == (prefix_last, connect)


def test_contrasts_are_of_experiments_and_add_up_to_nothing_but_the_thing() -> None:
    for name, signs in CONTRASTS.items():
        assert signs[name] == 1 and sum(signs.values()) == 0 and signs.keys() <= EXPERIMENTS.keys()
