"""a, an or some: the paper's rule with its mistakes, and a correct one."""

import pytest

from probing_vlp.errors import UserError
from probing_vlp.similarity.words.articles import article_of, raise_first

PAPER = {
    "a": "dog user thanks scissors house honesty youth",
    "an": "apple owl umbrella university unicorn hour honor heir herb advice European Apple",
}
CORRECT = {
    "a": "dog user university unicorn unit union unicycle utensil ukulele uniform European ewe UFO NATO house "
    "herbivore bus class glass circus lens series party boy hero usual hamster gas",
    "an": "apple owl umbrella uncle hour hourglass honor honour honest heir heirloom herb urn usher MRI ATM axe eye "
    "onion unimportant undertaker",
    "some": "scissors thanks crutches binoculars tongs advice furniture bread boys videos cookies lightning",
}


def each(table: dict[str, str]) -> list[tuple[str, str]]:
    return [(article, word) for article, words in table.items() for word in words.split()]


@pytest.mark.parametrize(("article", "word"), each(PAPER))
def test_by_the_paper(article: str, word: str) -> None:
    assert article_of(word) == article


@pytest.mark.parametrize(("article", "word"), each(CORRECT))
def test_by_sound_and_number(article: str, word: str) -> None:
    assert article_of(word, "correct") == article


def test_of_phrases() -> None:
    assert article_of("ice cream", "correct") == "an" and article_of("one way street", "correct") == "a"
    assert article_of("swimming trunks", "correct") == "some" and article_of("orange juice", "correct") == "an"


def test_capitals() -> None:
    assert raise_first("an owl in Rome", "paper") == "An owl in rome"
    assert raise_first("an owl in Rome", "correct") == "An owl in Rome"
    assert raise_first("", "correct") == "" == raise_first("")


def test_no_such_rule() -> None:
    with pytest.raises(UserError, match="not one of paper, correct"):
        article_of("dog", "french")
