"""The per-item results file: what is written, what is read, what is refused."""

import gzip
import math
from pathlib import Path

import pytest

from probing_vlp.errors import UserError
from probing_vlp.taxonomy.answers.items import Item, join_items, read_items, write_items

ITEMS = [
    Item("lm/full/original/1", "full", "a.jpg", "dog", "animal", "Yes", "No", -1.5, -0.25, "held-out", seed=1),
    Item("lm/full/original/1", "full", "b, c.jpg", "crow", "animal", "Yes", "Yes"),
]


def file(folder: Path, text: str | bytes, name: str = "items.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refused(path: Path, **options) -> str:
    with pytest.raises(UserError) as caught:
        read_items(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ["items.csv", "items.csv.gz"])
def test_what_is_written_is_read_again(tmp_path, name):
    write_items(tmp_path / name, ITEMS)
    frame = read_items(tmp_path / name)
    assert list(frame.columns) == list(Item._fields)
    assert frame["image"].tolist() == ["a.jpg", "b, c.jpg"]
    assert frame["logp_yes"].tolist()[0] == -1.5
    assert math.isnan(frame["logp_yes"][1])
    assert frame["seed"].tolist() == ["1", ""]


def test_the_same_items_give_the_same_bytes_and_nan_is_empty(tmp_path):
    for name in ("one.csv.gz", "two.csv.gz"):
        write_items(tmp_path / name, ITEMS)
    assert (tmp_path / "one.csv.gz").read_bytes() == (tmp_path / "two.csv.gz").read_bytes()
    assert gzip.decompress((tmp_path / "one.csv.gz").read_bytes()).decode().splitlines()[2].endswith("Yes,Yes,,,,,,,")


def test_parts_are_joined_in_the_order_given(tmp_path):
    write_items(tmp_path / "2.csv.gz", ITEMS[1:])
    write_items(tmp_path / "1.csv.gz", ITEMS[:1])
    write_items(tmp_path / "whole.csv.gz", ITEMS)
    join_items(tmp_path / "joined.csv.gz", [tmp_path / "1.csv.gz", tmp_path / "2.csv.gz"])
    assert (tmp_path / "joined.csv.gz").read_bytes() == (tmp_path / "whole.csv.gz").read_bytes()
    with pytest.raises(UserError, match="its first line is not that of our own"):
        join_items(tmp_path / "joined.csv.gz", [file(tmp_path, "concept,gold,prediction\n")])


def test_three_columns_suffice_and_text_is_taken_as_it_stands(tmp_path):
    path = file(tmp_path, "\ufeffprediction,concept,gold,note\r\nTrue,NA,001,\r\nyes ,null,1,x\r\n\r\n")
    frame = read_items(path)
    assert frame.astype(str).to_dict("list") == {
        "prediction": ["True", "yes "],
        "concept": ["NA", "null"],
        "gold": ["001", "1"],
        "note": ["", "x"],
    }


def test_columns_of_other_names_are_taken_for_ours(tmp_path):
    path = file(tmp_path, "hypernym,gold,label,prediction\nbird,0.5,Yes,No\n")
    frame = read_items(path, {"concept": "hypernym", "gold": "label"})
    assert frame["concept"].tolist() == ["bird"]
    assert frame["gold"].tolist() == ["Yes"]
    assert "no column kind (given for concept)" in refused(path, columns={"concept": "kind"})


HEAD = "concept,gold,prediction,logp_yes,seed\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("concept,gold\na,Yes\n", "line 1: no column prediction"),
        ("Concept,gold,prediction\na,Yes,No\n", "line 1: no column concept; did you mean 'Concept'?"),
        ("concept\tgold\tprediction\na\tYes\tNo\n", "separated by tabs"),
        ("concept;gold;prediction\na;Yes;No\n", "separated by semicolons"),
        ("concept,gold,prediction,gold\na,Yes,No,No\n", "two columns are named gold"),
        (HEAD + "a,Yes,No,-1,1\na,,No,-1,1\n", "line 3: no gold"),
        (HEAD + 'a,Yes,No,-1,1\n"b\nc",Yes,No,-1,1\nb,Yes,,-1,1\n', "line 5: no prediction"),
        (HEAD + "a,Yes,No,-1,1\na,Yes,No,minus one,1\n", "line 3: logp_yes is 'minus one', not a number"),
        (HEAD + "a,Yes,No,-1,1\na,Yes,No,-1\n", "line 3: 4 fields where the header has 5"),
        (HEAD + "a,Yes,No,-1,1,2\n", "line 2: 6 fields where the header has 5"),
        (HEAD, "a header and no items"),
        ("", "no column concept"),
        ("concept,gold,prediction\n\xe9,Yes,No\n".encode("latin-1"), "not UTF-8"),
        ('concept,gold,prediction\n"a,Yes,No\n', "line 2"),
        ("concept,gold,prediction\ra,Yes,No\r", "line 1: not a CSV file"),
    ],
)
def test_a_bad_file_is_told_of_with_line_and_column(tmp_path, text, said):
    path = file(tmp_path, text)
    message = refused(path)
    assert message.startswith(str(path))
    assert said in message


def test_damaged_and_missing_files_are_told_of(tmp_path):
    write_items(tmp_path / "items.csv.gz", ITEMS)
    whole = (tmp_path / "items.csv.gz").read_bytes()
    assert "cut short or damaged gzip" in refused(file(tmp_path, whole[:-12], "cut.csv.gz"))
    assert "cut short or damaged gzip" in refused(file(tmp_path, whole[:40] + b"????" + whole[44:], "bad.csv.gz"))
    assert "no such results file" in refused(tmp_path / "none.csv")
    assert "is a folder" in refused(tmp_path)
