"""Region features that are damaged, foreign, wrong or dangerous: one line that says where and what to do."""

import json
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest
import region_files as files
from region_files import Detected, detected, spoil

from probing_vlp.data.region_file import trouble_of
from probing_vlp.data.regions import open_regions
from probing_vlp.errors import UserError
from probing_vlp.records import Image, Regions

Writer = Callable[[Path, Sequence[Detected]], Path]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PROBING_VLP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def uniter_all(folder: Path, images: Sequence[Detected]) -> Path:
    return files.uniter_lmdb(folder, images, "all")


def vilbert_lmdb(folder: Path, images: Sequence[Detected]) -> Path:
    return files.vilbert_lmdb(folder / "a", images)


def refused(path: Path, *needed: str, image: Image | None = None) -> str:
    with pytest.raises(UserError) as caught:
        open_regions(path).get(image or detected()[1].image)
    said = str(caught.value)
    assert "\n" not in said and str(path) in said
    assert [text for text in needed if text not in said] == [], said
    return said


def test_files_of_no_known_format(tmp_path: Path) -> None:
    refused(tmp_path / "none", "no such region features", "TSV")
    refused(tmp_path, "folder without region features")
    for name, content, needed in (
        ("a.tsv", b"a\tb\tc\n", "line 1: 3 columns"),
        ("b.tsv", b"img_id\timg_h\timg_w\tn\tboxes\tfeatures\n", "line 1: 6 columns"),
        ("c.tsv", b"", "line 1: 1 columns"),
        ("empty.tsv", b"", "no known order of region features: it is empty; known: LXMERT"),
        ("head.tsv", b"img_id\timg_h\timg_w\tn\tboxes\tfeatures\n", "it has a header line; delete it; known: LXMERT"),
        (
            "r.tsv.gz",
            b"\x1f\x8b\x08\x00",
            "r.tsv.gz: is packed with gzip, in which no image can be found; gunzip it first",
        ),
        ("d.bin", b"", "it is empty"),
        ("e.json", b'{"a": 1}', "known format"),
        ("f.npz", b"PK\x03\x04 and no more", "not a whole npz"),
        ("g.npy", b"\x93NUMPY\x01\x00", "not a whole .npy"),
        ("h.h5", b"\x89HDF\r\n\x1a\n", "known format"),
    ):
        (tmp_path / name).write_bytes(content)
        refused(tmp_path / name, needed)
    np.savez(tmp_path / "other.npz", weights=np.zeros(3))
    refused(tmp_path / "other.npz", "ROSITA's have x, boxes")
    for name, shape in (("vectors", (3, 4)), ("none", (0, 4)), ("number", ())):
        np.save(tmp_path / f"{name}.npy", np.zeros(shape))
        refused(tmp_path / f"{name}.npy", "not a dict of ViLBERT's")


@pytest.mark.parametrize(
    ("column", "change", "needed"),
    [
        (8, lambda cell: cell[:-3], "line 2 (image COCO_val2014_000000000043): boxes are not base64"),
        (8, lambda cell: b"%" + cell[1:], "boxes are not base64"),
        (9, lambda cell: b"b'" + cell.rstrip() + b"'\r\n", "features are not base64"),
        (7, lambda cell: b"4", "48 bytes of boxes are not float32 of 4 boxes"),
        (7, lambda cell: b"0", "count is b'0'"),
        (1, lambda cell: b"tall", "height is b'tall'"),
        (
            1,
            lambda cell: b"9" * 23,
            "is b'99999999999999999999999', not a whole number from 1, of at most 7 digits; make",
        ),
        (7, lambda cell: b"9" * 5000, "count is b'999999999999999999999999999999', not a whole number"),
        (4, lambda cell: cell[:8], "objects_conf"),
        (9, lambda cell: b"\r\n", "0 bytes of features"),
        (5, lambda cell: cell + b"\tmore", "line 2: 11 columns instead of 10"),
        (
            9,
            lambda cell: files.b64(np.full((3, 8), np.nan, np.float32)).encode() + b"\n",
            "NaN or infinity in the feat",
        ),
        (9, lambda cell: files.b64(np.zeros((3, 7), np.float32)).encode() + b"\n", "width 7, but 8 in another image"),
    ],
)
def test_a_damaged_line_of_a_tsv(column: int, change: Callable[[bytes], bytes], needed: str, tmp_path: Path) -> None:
    path = files.lxmert_tsv(tmp_path / "a.tsv", detected())
    spoil(path, 2, column, change)
    with pytest.raises(UserError) as caught:
        file = open_regions(path)
        np.testing.assert_array_equal(file.get(detected()[0].image).features, detected()[0].features)
        file.get(detected()[1].image)
    assert needed in str(caught.value) and "\n" not in str(caught.value)


def test_a_tsv_cut_anywhere(tmp_path: Path) -> None:
    images = detected(2)
    whole = files.classic_tsv(tmp_path / "whole.tsv", images).read_bytes()
    start = whole.index(b"\n") + 1
    for cut in range(start + 1, len(whole) - 2, 7):
        (tmp_path / "a.tsv").write_bytes(whole[:cut])
        with pytest.raises(UserError, match=r"a\.tsv, line 2"):
            open_regions(tmp_path / "a.tsv").get(images[1].image)
    (tmp_path / "a.tsv").write_bytes(whole.rstrip())  # nothing is missing but the end of the line
    assert len(open_regions(tmp_path / "a.tsv").get(images[1].image).features) == 3


@pytest.mark.parametrize("write", [files.rosita_npz, files.uniter_npz, files.vilbert_npy])
def test_a_cut_file_in_a_folder(write: Writer, tmp_path: Path) -> None:
    images = detected(2)
    path = sorted(write(tmp_path / "a", images).iterdir())[1]
    whole = path.read_bytes()
    for cut in [*range(0, len(whole), 97), len(whole) - 1]:
        path.write_bytes(whole[:cut])
        refused(tmp_path / "a", path.name, "fetch it again")


def test_an_lmdb_that_is_open_elsewhere_in_this_process(tmp_path: Path) -> None:
    path = vilbert_lmdb(tmp_path, detected(2))
    with lmdb.open(str(path), readonly=True), pytest.raises(UserError, match="open elsewhere in this process"):
        open_regions(path)
    assert len(open_regions(path).get(Image(detected(1)[0].image.image_id, "", "")).boxes)


@pytest.mark.parametrize("write", [uniter_all, vilbert_lmdb])
def test_a_cut_lmdb(write: Writer, tmp_path: Path) -> None:
    path = write(tmp_path, detected())
    whole = (path / "data.mdb").read_bytes()
    for cut in (0, 100, 5000, 9000, len(whole) // 2, len(whole) - 4096):
        (tmp_path / f"{cut}").mkdir()
        (tmp_path / f"{cut}/data.mdb").write_bytes(whole[:cut])
        refused(tmp_path / f"{cut}", "data.mdb", "fetch it again")


def lmdb_of(path: Path, **entries: bytes) -> Path:
    path.mkdir()
    with lmdb.open(str(path)) as environment, environment.begin(write=True) as transaction:
        for key, value in entries.items():
            transaction.put(key.encode(), value)
    return path


def test_bad_lmdbs(tmp_path: Path) -> None:
    name = "coco_val2014_000000000043.npz"
    listed = json.dumps([name]).encode()
    for i, (entries, needed) in enumerate(
        [
            ({"a": b"b"}, "neither __keys__ (UNITER's) nor keys"),
            ({"__keys__": b"x"}, "no JSON list"),
            ({"__keys__": b"[]"}, "no regions of any image"),
            ({"__keys__": listed}, "stands in the list of keys"),
            ({"__keys__": listed, name: b"\xc1"}, "not a whole msgpack"),
            ({"__keys__": listed, name: files.packed([1, 2])}, "not UNITER's arrays"),
            ({"__keys__": listed, name: files.packed({"features": np.zeros((2, 3))})}, "UNITER's features and norm_bb"),
            ({"__keys__": listed, name: files.packed({"features": np.zeros(2), "norm_bb": [1]})}, "(regions, width)"),
            ({"__keys__": listed, name: files.packed(np.array([print]))}, "not a whole msgpack"),
            ({"__keys__": listed, name: b"PK\x03\x04"}, "not a whole npz"),
            ({"keys": b"\x80"}, "not a whole pickle"),
            ({"keys": pickle.dumps(3)}, "its keys are int, not a list"),
            ({"keys": pickle.dumps([b"43"]), "43": pickle.dumps({"boxes": 1})}, "has no features"),
        ]
    ):
        refused(lmdb_of(tmp_path / str(i), **entries), needed)


class Evil:
    """Runs a program when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


def test_pickles_never_run_programs_unless_trusted(tmp_path: Path) -> None:
    images, trace = detected(2), tmp_path / "trace"
    path = files.vilbert_lmdb(tmp_path / "lmdb", images, extra=Evil(trace))
    folder = files.vilbert_npy(tmp_path / "npy", images)
    np.save(folder / f"{images[1].stem}.npy", np.array({"a": Evil(trace)}, dtype=object), allow_pickle=True)
    for place in (path, folder):
        refused(place, "asks for", "--trust-pickle")
    assert not trace.exists()
    np.testing.assert_array_equal(open_regions(path, trust_pickle=True).get(images[1].image).boxes, images[1].boxes)
    assert trace.exists()


def test_what_numpy_and_python_2_pickled(tmp_path: Path) -> None:
    """Protocols 0 to 5, numpy numbers for the sizes, flat arrays, and arrays in base64 as an older writer kept them."""
    (d,) = detected(1)
    for protocol in range(6):
        path = files.vilbert_lmdb(tmp_path / f"p{protocol}", [d], protocol=protocol, image_h=np.int64(d.height))
        np.testing.assert_array_equal(open_regions(path).get(d.image).features, d.features)
    flat = {"boxes": d.boxes.ravel(), "features": d.features.ravel()}
    packed = {"boxes": files.b64(d.boxes), "features": files.b64(d.features).encode()}
    for name, arrays in (("flat", flat), ("packed", packed)):
        found = open_regions(files.vilbert_lmdb(tmp_path / name, [d], **arrays)).get(d.image)
        np.testing.assert_array_equal(found.features, d.features)
        np.testing.assert_array_equal(found.boxes, d.boxes)


GOOD = Regions(1, np.ones((2, 3), np.float32), np.float32([[0, 0, 10, 20], [5, 5, 100, 50.5]]), 100, 50)


def changed(**values: Any) -> str:
    return trouble_of(Regions(**(vars(GOOD) | values)))


def test_regions_that_cannot_be_right() -> None:
    assert changed() == ""
    assert changed(boxes=GOOD.boxes + np.float32([0, 0, 1, 0.5])) == ""  # a pixel of slack: 101 of 100, 51 of 50
    assert "101.1 x 50.5, outside the image of 100 x 50" in changed(boxes=GOOD.boxes + np.float32([0, 0, 1.1, 0]))
    assert "are its width and height swapped?" in changed(width=50, height=100)
    assert "swapped" not in changed(width=60, height=20)
    assert "reach from -2" in changed(boxes=GOOD.boxes - 2)
    assert "boxes up to 0.5 in an image of 100 x 50 are not in pixels" in changed(boxes=GOOD.boxes / 200)
    assert changed(boxes=GOOD.boxes / 100, width=1, height=1) == ""
    assert "not x y w h" in changed(boxes=np.float32([[50, 20, 30, 10]] * 2))
    assert "2 feature vectors for 1 boxes" in changed(boxes=GOOD.boxes[:1])
    assert "and 3 confidences" in changed(confidence=np.ones(3, np.float32))
    assert "0 feature vectors" in changed(features=GOOD.features[:0], boxes=GOOD.boxes[:0])
    assert "NaN or infinity in the features" in changed(features=np.float32([[0, 1, 2], [np.nan, 0, 0]]))
    assert "NaN or infinity in the boxes" in changed(boxes=GOOD.boxes + np.float32(np.inf))
    assert "NaN or infinity in the confidence" in changed(confidence=np.float32([np.nan, 1]))
    assert "0 x 50 pixels" in changed(width=0)
    shares = np.float32([[0, 0, 0.5, 0.25, 0.5, 0.25], [0.5, 0.5, 1, 1, 0.5, 0.5]])
    assert changed(unit_boxes=shares) == ""
    assert "not shares of the image" in changed(unit_boxes=shares * 2)
    assert "x2 - x1 is not w" in changed(unit_boxes=shares[:, [0, 1, 2, 3, 2, 3]])


def test_sizes_and_shapes_in_a_file(tmp_path: Path) -> None:
    images = detected(2)
    wrong: dict[str, tuple[dict[str, Any], str]] = {
        "swapped": ({"image_h": 640, "image_w": 480}, "width and height swapped"),
        "shares": ({"boxes": images[0].shares[:, :4].astype(np.float32)}, "not in pixels"),
        "six": ({"boxes": images[0].shares}, "boxes are float32 (5, 6), not numbers (regions, 4)"),
        "text": ({"x": np.array(["a"])}, "features are <U1"),
        "fewer": ({"boxes": images[0].boxes[:2]}, "5 feature vectors for 2 boxes"),
    }
    for name, (arrays, needed) in wrong.items():
        folder = files.rosita_npz(tmp_path / name, images[:1], **arrays)
        refused(folder, needed, images[0].image.file_name, image=images[0].image)


def test_sizes_that_are_no_numbers_of_pixels(tmp_path: Path) -> None:
    (d,) = detected(1)
    for i, (side, said) in enumerate(
        [("wide", "'wide'"), (np.nan, "nan"), ([], "[]"), (np.inf, "inf"), (10**23, "1" + "0" * 23), ({}, "{}")]
    ):
        path = files.vilbert_lmdb(tmp_path / f"l{i}", [d], image_w=side)
        refused(path, f"image 42: the image's width is {said}, not a number of pixels; make", image=d.image)
        if not isinstance(side, int | dict):
            refused(
                files.rosita_npz(tmp_path / f"n{i}", [d], image_h=side), "jpg.npz: the image's height", image=d.image
            )


def test_shapes_that_are_no_tables(tmp_path: Path) -> None:
    (d,) = detected(1)
    for i, (arrays, said) in enumerate(
        [
            ({"features": [[1], [2, 3]]}, "features are no table of numbers (setting an array element with a sequence"),
            ({"boxes": np.zeros(3)}, "boxes are float64 (3,), not numbers (regions, 4); make the file again"),
            ({"boxes": np.zeros(())}, "boxes are float64 (), not numbers (regions, 4)"),
            ({"features": np.zeros(7)}, "features are float64 (7,), not numbers (regions, width)"),
            ({"features": "AAA="}, "features are not base64 of float32"),
        ]
    ):
        refused(files.vilbert_lmdb(tmp_path / str(i), [d], **arrays), f"image 42: {said}", image=d.image)


def test_confidences_and_counts_of_uniter(tmp_path: Path) -> None:
    (d,) = detected(1)
    name = f"{d.stem.lower()}.npz"
    shares = {"features": d.features, "norm_bb": d.shares}
    for i, (arrays, said) in enumerate(
        [
            (shares | {"conf": "abc"}, "confidences are <U3 (), not numbers; make the file again"),
            (shares | {"conf": [[1], [2, 3]]}, "confidences are no table of numbers"),
            (shares | {"features": [[1], [2, 3]]}, "features are no table of numbers"),
        ]
    ):
        entries = {"__keys__": json.dumps([name]).encode(), name: files.packed(arrays)}
        refused(lmdb_of(tmp_path / f"{i}", **entries), said, image=d.image)
    path = files.uniter_lmdb(tmp_path / "counted", [d])
    table = tmp_path / "counted" / "nbb_th0.2_max100_min10.json"
    for count, said in (("-3", "-3 regions, must be 1 or more"), ("0", "0 regions"), ('"few"', "invalid literal")):
        table.write_text(f'{{"{name}": {count}}}')
        with pytest.raises(UserError, match=rf"nbb_th0\.2_max100_min10\.json: not UNITER's table of counts .*{said}"):
            open_regions(path)


def test_features_of_another_width_name_both_images(tmp_path: Path) -> None:
    images = [detected(1)[0], detected(2, width=7)[1]]
    file = open_regions(files.lxmert_tsv(tmp_path / "a.tsv", images))
    file.get(images[0].image)
    with pytest.raises(UserError) as caught:
        file.get(images[1].image)
    assert str(caught.value) == (
        f"{tmp_path / 'a.tsv'}, line 2 (image COCO_val2014_000000000043): features of width 7, but 8 in another image "
        "(COCO_val2014_000000000042); is the file whole?"
    )
