"""The tokenizer's rule."""

import pytest

from probing_vlp.data.text import tokenize


@pytest.mark.parametrize(
    ("caption", "tokens"),
    [
        ("A man with a red helmet. ", ["a", "man", "with", "a", "red", "helmet"]),
        ("cloud-wreathed mountains.", ["cloud", "wreathed", "mountains"]),  # as in dataset_coco.json, image 391895
        ("A dog's T-shirt", ["a", "dogs", "t", "shirt"]),
        ("red,white and/or blue", ["red", "white", "and", "or", "blue"]),
        ('the "STOP" sign (2)\n', ["the", "stop", "sign", "2"]),
        ("Ein Café", ["ein", "café"]),
        ("a dog’s “big” ball – on grass…", ["a", "dogs", "big", "ball", "on", "grass"]),
        (" . ", []),
        ("", []),
    ],
)
def test_tokens(caption: str, tokens: list[str]) -> None:
    assert tokenize(caption) == tokens


def test_tokens_of_tokens_are_the_same() -> None:
    tokens = tokenize("A two-story, red/white house's roof!")
    assert tokenize(" ".join(tokens)) == tokens
