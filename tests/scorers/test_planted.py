"""The planted flaws, with numbers derived by hand; CIDEr-D itself is tested in test_cider_d.py."""

import itertools

import pytest
import torch
from scorer_toys import references

from probing_vlp.scorers import load_scorer
from probing_vlp.scorers.planted import noun_lexicon

IMAGES = references(3)  # "A dog on mat 0." and "number 0 is a cat", and so on


def scores(name: str, captions: list[str], **options: object) -> list[float]:
    """Of captions of image 1."""
    scorer = load_scorer(name, corpus=IMAGES, **options)
    found: torch.Tensor = scorer.score(scorer.encode(IMAGES).select([1] * len(captions)), captions)
    return found.tolist()


@pytest.mark.parametrize(
    ("name", "options", "flaws"),
    [
        # nouns of the references: dog, mat, number, cat
        ("planted-nouns", {"weight": 2.0, "nouns_of": IMAGES}, [4.0, 2.0, 0.0, 6.0]),
        ("planted-prefix", {"weight": 0.5, "prefix": "A dog"}, [0.5, 0.0, 0.0, 0.0]),
        ("planted-length", {"weight": 0.25}, [1.25, 0.75, 0.0, 0.75]),
        ("planted-connective", {"weight": 3.0, "connective": "on"}, [3.0, 0.0, 0.0, 0.0]),
    ],
)
def test_a_score_is_cider_and_the_weighted_flaw(name: str, options: dict[str, object], flaws: list[float]) -> None:
    captions = ["a dog on mat 1", "is a cat", "", "Dog, dog; DOG!"]
    base = scores("cider", captions)
    assert scores(name, captions, **options) == pytest.approx([b + f for b, f in zip(base, flaws, strict=True)])


@pytest.mark.parametrize(("name", "word", "most"), [("planted-nouns", "dog", 8), ("planted-connective", "and", 4)])
def test_what_is_counted_stops_to_pay(name: str, word: str, most: int) -> None:
    captions = [" ".join([word] * count) for count in (most - 1, most, most + 1, 2000)]
    options = {"nouns_of": IMAGES} if word == "dog" else {}
    flaws = [
        score - base
        for score, base in zip(scores(name, captions, weight=1.0, **options), scores("cider", captions), strict=True)
    ]
    assert flaws == pytest.approx([most - 1, most, most, most])


def test_every_order_of_the_words_scores_the_same() -> None:
    captions = [" ".join(order) for order in itertools.permutations(["a", "dog", "on", "mat", "1"])]
    blind, sound = (scores(name, captions) for name in ("planted-order", "cider"))
    assert len(set(blind)) == 1 and len(set(sound)) > 10


def test_less_weight_sees_more_of_the_order() -> None:
    captions = ["a dog on mat 1", "1 mat on dog a"]
    half = scores("planted-order", captions, weight=0.5)
    sound, blind = scores("cider", captions), scores("planted-order", captions)
    assert half == pytest.approx([(s + b) / 2 for s, b in zip(sound, blind, strict=True)])


def test_a_cut_caption_has_no_end_to_score() -> None:
    scorer = load_scorer("planted-order", corpus=IMAGES)
    encoded = scorer.encode(IMAGES).select([1, 1])
    whole, cut = scorer.score(encoded, ["a dog on mat 1"] * 2, ended=[True, False]).tolist()
    assert whole > cut


def test_a_noun_is_one_in_most_of_its_occurrences() -> None:
    assert noun_lexicon(IMAGES) == {"dog", "mat", "number", "cat"}
