"""WordNet's files, by hand: a few lines in their format."""

from pathlib import Path

import pytest

from probing_vlp.errors import UserError
from probing_vlp.taxonomy.language.wordnet import WordNet, wordnet_sentences

INDEX = """  1 This line stands for the licence.
dog n 2 2 @ ~ 2 1 00000030 00000040
domestic_dog n 1 1 @ 1 0 00000030
animal n 1 0 1 1 00000010
hot_dog n 1 1 @ 1 1 00000040
"""
DATA = """  1 This line stands for the licence.
00000010 03 n 02 animal 0 beast 0 000 | a living being that moves
00000030 05 n 02 dog 0 domestic_dog 0 002 @ 00000010 n 0000 ~ 00000040 n 0000 | a tame animal; "the dog barked"
00000040 13 n 01 hot_dog 0 001 @ 00000010 n 0000 | a sausage in a roll; eaten warm; "hot dogs, please"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "index.noun").write_text(INDEX)
    (tmp_path / "data.noun").write_text(DATA)
    return tmp_path


def test_the_first_sense_is_read(folder: Path) -> None:
    wordnet = WordNet(folder)
    assert wordnet.first("dog") == (("dog", "domestic dog"), (10,), "a tame animal")
    assert wordnet.first("hot dog") == (("hot dog",), (10,), "a sausage in a roll; eaten warm")
    assert wordnet.first("animal").above == ()
    assert "hot dog" in wordnet and "cat" not in wordnet


def test_sentences_are_sorted_and_of_known_nouns_alone(folder: Path) -> None:
    assert wordnet_sentences(folder, ["hot dog", "dog", "cat", "dog"]) == [
        "dog: a tame animal.",
        "a dog is a kind of animal.",
        "hot dog: a sausage in a roll; eaten warm.",
        "a hot dog is a kind of animal.",
    ]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("data.noun", DATA.replace("00000010 03", "x10 03"), "data.noun, line 2: begins with no offset"),
        ("data.noun", DATA.replace("002 @", "005 @"), "data.noun, line 3: no synset as WordNet writes it"),
        ("data.noun", "", "data.noun, no synset 00000030"),
        ("index.noun", "dog n\n", "index.noun, line 1: no entry as WordNet writes it"),
    ],
)
def test_damaged_files_are_named(folder: Path, name: str, text: str, said: str) -> None:
    (folder / name).write_text(text)
    with pytest.raises(UserError, match=said):
        wordnet_sentences(folder, ["dog"])


def test_an_absent_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"index\.noun: no such WordNet file; --wordnet takes"):
        WordNet(tmp_path)
