"""Readers: what they give for good files, and one line naming file and place for bad ones."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from probing_vlp.data.splits import load_data, read_coco, read_folder, read_karpathy, short_license
from probing_vlp.errors import UserError
from probing_vlp.records import Image

COCO: dict[str, Any] = {
    "licenses": [{"id": 4, "url": "http://creativecommons.org/licenses/by/2.0/", "name": "Attribution License"}],
    "images": [
        {"id": 9, "file_name": "COCO_val2014_000000000009.jpg", "license": 4, "flickr_url": "http://f/9.jpg"},
        {"id": 5, "file_name": "5.jpg"},
    ],
    "annotations": [
        {"id": 1, "image_id": 5, "caption": "A cat. "},
        {"id": 2, "image_id": 9, "caption": "A T-shirt"},
        {"id": 3, "image_id": 5, "caption": "cat"},
    ],
}
SENTENCES = [{"raw": "Don't go.", "tokens": ["do", "nt", "go"]}]
KARPATHY: dict[str, Any] = {
    "dataset": "coco",
    "images": [
        {"cocoid": cocoid, "filename": f"{cocoid}.jpg", "filepath": "val2014", "split": split, "sentences": SENTENCES}
        for cocoid, split in [(3, "test"), (1, "train"), (7, "restval"), (2, "val")]
    ],
}


def saved(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def refused(path: object, *parts: str) -> Any:
    """Expect a one-line UserError with the path and all the parts."""
    wanted = "".join(f"(?=.*{re.escape(part)})" for part in (str(path), *parts))
    return pytest.raises(UserError, match=rf"\A{wanted}.*\Z")


def test_coco(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = read_coco({"val": saved(tmp_path / "v.json", COCO)})
    assert data.images == (
        Image(9, "COCO_val2014_000000000009.jpg", "val", "CC BY 2.0", "http://f/9.jpg"),
        Image(5, "5.jpg", "val"),
    )
    assert data.references(data.images[1]).captions == ("A cat.", "cat")
    assert data.tokens == {9: (("a", "t", "shirt"),), 5: (("a", "cat"), ("cat",))}
    assert data.split("val") == data.images
    assert capsys.readouterr().out == ""


def test_a_folder_of_coco_files_gives_the_splits_it_has(tmp_path: Path) -> None:
    other = {"images": [{"id": 6, "file_name": "6.jpg"}], "annotations": [{"id": 1, "image_id": 6, "caption": "dog"}]}
    saved(tmp_path / "captions_train.json", other)
    saved(tmp_path / "captions_test.json", COCO)
    data = load_data(str(tmp_path))
    assert data.splits == ("train", "test")
    assert [image.image_id for image in data.split("train")] == [6]
    with refused(tmp_path, "'val' is empty", "train, test"):
        data.split("val")


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("{not json", ["line 1", "not JSON"]),
        ("", ["not JSON"]),
        ("[]", ["list"]),
        ({"images": []}, ['"annotations"', "images"]),
        ({"annotations": []}, ['"images"']),
        ({**COCO, "annotations": []}, ["no captions"]),
        (
            {**COCO, "annotations": [*COCO["annotations"], {"id": 88, "image_id": 77, "caption": "x"}]},
            ["annotation 88", "image 77", "unknown"],
        ),
        ({**COCO, "images": [*COCO["images"], {"id": 4, "file_name": "4.jpg"}]}, ["image 4 (4.jpg)", "no caption"]),
        ({**COCO, "images": [*COCO["images"], COCO["images"][0]]}, ["stands twice"]),
        (
            {**COCO, "annotations": [{"id": 1, "image_id": 5}, {"id": 2, "image_id": 9, "caption": "a"}]},
            ["no 'caption'"],
        ),
        ({**COCO, "annotations": [3]}, ["an annotation id, image_id"]),
    ],
)
def test_bad_coco_files(tmp_path: Path, content: object, parts: list[str]) -> None:
    path = saved(tmp_path / "v.json", content)
    with refused(path, *parts):
        read_coco({"val": path})


def test_an_image_in_two_splits_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "v.json", COCO)
    with refused(path, "image 9", "another split"):
        read_coco({"train": path, "test": path})


def test_karpathy(tmp_path: Path) -> None:
    path = saved(tmp_path / "dataset_coco.json", KARPATHY)
    data = load_data(str(path))
    assert [image.image_id for image in data.images] == [3, 1, 7, 2]
    assert [image.split for image in data.images] == ["test", "train", "train", "val"]
    assert data.images[0] == Image(3, "3.jpg", "test", folder="val2014")
    assert data.tokens[3] == (("do", "nt", "go"),)  # the file's own, not ours ("dont")
    assert data.captions[3] == ("Don't go.",)
    assert [image.image_id for image in read_karpathy(path, restval=False).images] == [3, 1, 2]


def test_karpathy_without_folders_coco_ids_or_tokens_as_for_flickr(tmp_path: Path) -> None:
    row = {"imgid": 0, "filename": "1.jpg", "split": "train", "sentences": [{"raw": "A dog."}]}
    data = read_karpathy(saved(tmp_path / "f.json", {"images": [row]}))
    assert data.images == (Image(0, "1.jpg", "train"),)
    assert data.tokens == {0: (("a", "dog"),)}


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("nonsense", ["not JSON"]),
        ({"images": []}, ["no captions"]),
        ({"images": [{"cocoid": 1}]}, ["images[0]", "no 'split'"]),
        ({"images": KARPATHY["images"] * 2}, ["images[4]", "image 3 stands twice"]),
        ({"images": [{**KARPATHY["images"][0], "sentences": []}]}, ["image 3 (3.jpg)", "no caption"]),
        (COCO, ["COCO caption file", "folder"]),
    ],
)
def test_bad_karpathy_files(tmp_path: Path, content: object, parts: list[str]) -> None:
    path = saved(tmp_path / "k.json", content)
    with refused(path, *parts):
        load_data(str(path))


def plain_folder(tmp_path: Path, rows: str) -> str:
    images = tmp_path / "images"
    images.mkdir(exist_ok=True)
    for name in ("a.jpg", "b.jpg"):
        (images / name).touch()
    return f"{images},{saved(tmp_path / 'captions.csv', rows)}"


def test_plain_folder(tmp_path: Path) -> None:
    source = plain_folder(
        tmp_path,
        'file_name,caption,split,image_id\nb.jpg,"A cat, asleep",val,12\na.jpg,Dog,train,3\nb.jpg,two cats,val,12\n',
    )
    data = load_data(source)
    assert data.images == (Image(12, "b.jpg", "val"), Image(3, "a.jpg", "train"))
    assert data.captions == {12: ("A cat, asleep", "two cats"), 3: ("Dog",)}


def test_plain_folder_without_splits_and_ids_gets_them_from_the_names(tmp_path: Path) -> None:
    both = load_data(plain_folder(tmp_path, "\ufefffile_name,caption\na.jpg,dog\nb.jpg,cat\n"))
    one = load_data(plain_folder(tmp_path, "caption,file_name\ncat,b.jpg\n"))
    assert one.images == both.images[1:]
    assert both.images[0].image_id != both.images[1].image_id


def test_hashed_splits_are_80_10_10_percent(tmp_path: Path) -> None:
    names = [f"{i}.jpg" for i in range(1000)]
    (tmp_path / "i").mkdir()
    for name in names:
        (tmp_path / "i" / name).touch()
    table = saved(tmp_path / "c.csv", "file_name,caption\n" + "".join(f"{name},x\n" for name in names))
    data = read_folder(tmp_path / "i", table)
    # 800, 100 and 100 expected; three standard deviations are 38, 28 and 28
    assert abs(len(data.split("train")) - 800) < 38
    assert abs(len(data.split("val")) - 100) < 28


@pytest.mark.parametrize(
    ("rows", "parts"),
    [
        ("file_name,caption\na.jpg,dog\nmissing.jpg,cat\n", ["line 3", "'missing.jpg'", "is not in"]),
        ("file_name,caption\na.jpg,\n", ["line 2", "empty caption"]),
        ("file_name,text\na.jpg,dog\n", ["line 1", "no column caption"]),
        ("", ["line 1", "no column caption nor file_name"]),
        ("file_name,caption\n", ["no captions"]),
        ("file_name,caption,split\na.jpg,dog,dev\n", ["line 2", "'dev'", "train, val, test"]),
        ("file_name,caption,split\na.jpg,dog,val\na.jpg,cat,test\n", ["line 3", "another split"]),
        ("file_name,caption,image_id\na.jpg,dog,x\n", ["line 2", "'x'", "whole number"]),
        ("file_name,caption,image_id\na.jpg,dog,1\nb.jpg,cat,1\n", ["line 3", "image id 1", "another file"]),
    ],
)
def test_bad_csv_files(tmp_path: Path, rows: str, parts: list[str]) -> None:
    source = plain_folder(tmp_path, rows)
    with refused(tmp_path / "captions.csv", *parts):
        load_data(source)


def test_a_caption_over_two_lines_keeps_the_line_numbers_right(tmp_path: Path) -> None:
    source = plain_folder(tmp_path, 'file_name,caption\na.jpg,"a\ndog"\nc.jpg,cat\n')
    with refused("captions.csv", "line 4", "'c.jpg'"):
        load_data(source)


def test_missing_files(tmp_path: Path) -> None:
    with refused(tmp_path / "no.json", "no such"):
        load_data(str(tmp_path / "no.json"))
    with refused(tmp_path, "captions_train.json"):
        load_data(str(tmp_path))
    with refused(tmp_path / "no", "no such folder"):
        load_data(f"{tmp_path / 'no'},{tmp_path / 'c.csv'}")
    (tmp_path / "images").mkdir()
    with refused(tmp_path / "c.csv", "no such CSV"):
        load_data(f"{tmp_path / 'images'},{tmp_path / 'c.csv'}")


@pytest.mark.parametrize(
    ("url", "name", "short"),
    [
        (
            "http://creativecommons.org/licenses/by-nc-sa/2.0/",
            "Attribution-NonCommercial-ShareAlike",
            "CC BY-NC-SA 2.0",
        ),
        ("http://flickr.com/commons/usage/", "No known copyright restrictions", "No known copyright restrictions"),
        ("", "", ""),
    ],
)
def test_short_license(url: str, name: str, short: str) -> None:
    assert short_license(url, name) == short


@pytest.mark.skipif("PROBING_VLP_DATA" not in os.environ, reason="PROBING_VLP_DATA is not set")
def test_real_sample() -> None:
    data = load_data(str(Path(os.environ["PROBING_VLP_DATA"]) / "coco-sample"))
    assert [len(data.split(name)) for name in ("train", "val", "test")] == [3428, 507, 507]
    assert sum(map(len, data.captions.values())) == 22_224
