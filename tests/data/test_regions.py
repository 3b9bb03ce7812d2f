"""Region features in the formats in which they are published."""

import json
import os
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import region_files as files
from region_files import Detected, detected

from probing_vlp.data import region_tsv
from probing_vlp.data.region_file import calls, plain
from probing_vlp.data.regions import open_regions
from probing_vlp.errors import UserError
from probing_vlp.records import Image

Writer = Callable[[Path, Sequence[Detected]], Path]
DATA = os.environ.get("PROBING_VLP_DATA")

PIXELS: dict[str, tuple[str, Writer, bool]] = {
    "lxmert": ("LXMERT tsv", lambda d, images: files.lxmert_tsv(d / "a.tsv", images), True),
    "classic": ("classic tsv", lambda d, images: files.classic_tsv(d / "a.tsv", images), False),
    "rosita-tsv": ("ROSITA tsv", lambda d, images: files.rosita_tsv(d / "a", images) / "imgfeat.tsv", True),
    "rosita-folder": ("ROSITA tsv", lambda d, images: files.rosita_tsv(d / "a", images), True),
    "rosita-npz": ("ROSITA npz", lambda d, images: files.rosita_npz(d / "a", images), False),
    "rosita-npz-full": ("ROSITA npz", lambda d, images: files.rosita_npz(d / "a", images, full=True), True),
    "npz-files": ("ROSITA npz", lambda d, images: files.rosita_npz(d / "npz_files", images).parent, False),
    "vilbert-npy": ("ViLBERT npy", lambda d, images: files.vilbert_npy(d / "a", images), False),
    "vilbert-lmdb": ("ViLBERT lmdb", lambda d, images: files.vilbert_lmdb(d / "a", images), False),
    "vilbert-names": (
        "ViLBERT lmdb",
        lambda d, images: files.vilbert_lmdb(d / "a", images, lambda i: i.stem, 2),
        False,
    ),
    "data.mdb": ("ViLBERT lmdb", lambda d, images: files.vilbert_lmdb(d / "a", images) / "data.mdb", False),
}
"""What it is called, how it is written, whether it holds confidences."""
SHARES: dict[str, tuple[str, Writer]] = {
    "npz": ("UNITER npz", lambda d, images: files.uniter_npz(d / "a", images)),
    "all": ("UNITER lmdb (msgpack)", lambda d, images: files.uniter_lmdb(d / "a", images, "all")),
    "all-compressed": ("UNITER lmdb (npz)", lambda d, images: files.uniter_lmdb(d / "a", images, "all", True)),
    "image-folder": ("UNITER lmdb (npz)", lambda d, images: files.uniter_lmdb(d / "a", images, "all", True).parent),
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PROBING_VLP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("name", PIXELS)
def test_boxes_in_pixels(name: str, tmp_path: Path) -> None:
    kind, write, sure = PIXELS[name]
    images = detected()
    file = open_regions(write(tmp_path, images))
    assert (file.kind, len(file), file.stored, file.boxes_in) == (kind, 4, "float32", "pixels")
    for d in reversed(images):  # in any order
        found = file.get(d.image)
        assert (found.image_id, found.width, found.height) == (d.image.image_id, d.width, d.height)
        np.testing.assert_array_equal(found.features, d.features)
        np.testing.assert_array_equal(found.boxes, d.boxes)
        assert found.features.dtype == found.boxes.dtype == np.float32 and found.unit_boxes is None
        assert (found.confidence is not None) == sure
        if found.confidence is not None:
            np.testing.assert_array_equal(found.confidence, d.sure)


@pytest.mark.parametrize("name", SHARES)
def test_boxes_in_shares_of_the_image(name: str, tmp_path: Path) -> None:
    kind, write = SHARES[name]
    images = detected()
    file = open_regions(write(tmp_path, images))
    assert (file.kind, len(file), file.boxes_in) == (kind, 4, "shares")
    for d in images:
        found, half = file.get(d.image), files.uniter_arrays(d)
        assert file.stored == "float16" and found.features.dtype == np.float32
        assert (found.width, found.height) == (1, 1) and found.confidence is not None and found.unit_boxes is not None
        np.testing.assert_array_equal(found.features, half["features"].astype(np.float32))
        np.testing.assert_array_equal(found.unit_boxes, half["norm_bb"].astype(np.float32))
        np.testing.assert_array_equal(found.boxes, found.unit_boxes[:, :4])
        np.testing.assert_array_equal(found.confidence, half["conf"][:, 0].astype(np.float32))


@pytest.mark.parametrize("compressed", [False, True])
def test_where_uniters_writer_chose_its_choice_counts(compressed: bool, tmp_path: Path) -> None:
    """Confidences fall from 0.9 to 0.05: of 12, ten are above 0.2 (0.9 - 0.0773 i > 0.2 for i <= 9)."""
    images = detected()
    chosen = {"feat_th0.2_max100_min10": [5, 3, 10, 5], "feat_numbb4": [4, 3, 4, 4]}
    for kept, counts in chosen.items():
        file = open_regions(files.uniter_lmdb(tmp_path, images, kept, compressed))
        found = [file.get(d.image) for d in images]
        assert [len(regions.features) for regions in found] == counts
        assert all(regions.confidence is None for regions in found)
        assert f"regions kept by the writer: {kept}" in file.describe()
    names = " ".join(("feat_numbb4", "feat_th0.2_max100_min10"))
    with pytest.raises(UserError, match=r"holds several region features \(feat_numbb4\S*, feat_th0") as caught:
        open_regions(tmp_path)
    assert names.split()[0] in str(caught.value) and "give the path of one" in str(caught.value)


def test_counts_beside_an_lmdb_cut_what_it_holds(tmp_path: Path) -> None:
    images = detected()
    path = files.uniter_lmdb(tmp_path, images)
    counts = {f"{d.stem.lower()}.npz": 2 for d in images}
    (tmp_path / "nbb_th0.2_max100_min10.json").write_text(json.dumps(counts))
    assert [len(open_regions(path).get(d.image).features) for d in images] == [2] * 4
    (tmp_path / "nbb_th0.2_max100_min10.json").write_text("[]")
    with pytest.raises(UserError, match=r"nbb_\S+: not UNITER's table of counts"):
        open_regions(path)


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("COCO_val2014_000000000042", Image(42, "COCO_val2014_000000000042.jpg", "")),
        ("COCO_val2014_000000000042.jpg.npz", Image(1, "val2014/COCO_val2014_000000000042.jpg", "")),
        ("coco_val2014_000000000042.npz", Image(42, "COCO_val2014_000000000042.jpg", "")),
        ("COCO_train2014_000000000042", Image(42, "000000000042.jpg", "")),
        ("coco_val2014_000000000042.npz", Image(42, "000000000042.jpg", "")),
        ("flickr30k_001000092795.npz", Image(7, "1000092795.jpg", "")),
        ("1000092795", Image(7, "1000092795.jpg", "")),
        ("1000092795.jpg.npz", Image(7, "1000092795.jpg", "")),
        ("42", Image(42, "COCO_val2014_000000000042.jpg", "")),
        ("42", Image(42, "", "")),
        ("42", Image(1, "000000000042.jpg", "")),
        ("dog.png", Image(1, "dog.png", "")),
    ],
)
def test_the_names_of_an_image(name: str, image: Image) -> None:
    assert plain(name) in calls(image, by_id=False)
    assert sorted(calls(image, by_id=False)) == sorted(calls(image, by_id=True))


def test_ids_go_before_numbers_in_file_names_where_entries_are_ids() -> None:
    assert calls(Image(1, "2.jpg", ""), by_id=True)[:2] == ["1", "2"]
    assert calls(Image(1, "2.jpg", ""), by_id=False)[0] == "2"


def test_missing_images_are_named_and_counted(tmp_path: Path) -> None:
    file = open_regions(files.lxmert_tsv(tmp_path / "a.tsv", detected()))
    others = [Image(900 + i, f"dog{i}.jpg", "test") for i in range(5)]
    with pytest.raises(
        UserError, match=r"a\.tsv: no regions of 1 of 1 image\(s\): dog0\.jpg \(900\); it holds 4, such"
    ):
        file.get(others[0])
    with pytest.raises(UserError, match=r"no regions of 5 of 6 image\(s\): dog0.jpg \(900\), .*, \.\.\.; it holds 4"):
        file.check([*others, detected()[0].image])


def test_a_copy_in_another_process_opens_the_file_again(tmp_path: Path) -> None:
    images = detected()
    for name, (_, write, _) in PIXELS.items():
        (tmp_path / name).mkdir()
        again = pickle.loads(pickle.dumps(open_regions(write(tmp_path / name, images))))
        np.testing.assert_array_equal(again.get(images[2].image).features, images[2].features)


# --- the index of a TSV


def test_the_index_is_kept_until_the_file_changes(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = detected()
    path = files.lxmert_tsv(tmp_path / "a.tsv", images)
    open_regions(path)
    (index,) = cache.rglob("*.json")
    with monkeypatch.context() as patch:
        patch.setattr(region_tsv, "_scan", lambda *_: pytest.fail("read again"))
        assert len(open_regions(path)) == 4
    files.lxmert_tsv(path, images[:2])
    assert len(open_regions(path)) == 2
    index.write_text('{"file": [')
    assert open_regions(path).names() == (images[0].stem, images[1].stem)


def test_rositas_own_index_is_used_if_it_is_of_this_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = detected()
    folder = files.rosita_tsv(tmp_path / "a", images)
    with monkeypatch.context() as patch:
        patch.setattr(region_tsv, "_scan", lambda *_: pytest.fail("read through"))
        assert open_regions(folder).names()[3] == images[3].image.file_name
    for index in ("0\n7\n", "", "0\nx\n", "0\n99999999\n", (folder / "imgfeat.lineidx").read_text()[:-6]):
        (folder / "imgfeat.lineidx").write_text(index)
        os.utime(folder / "imgfeat.tsv", ns=(0, len(index)))  # the kept index is of another time
        np.testing.assert_array_equal(open_regions(folder).get(images[3].image).features, images[3].features)


def test_a_home_that_cannot_be_written_to_is_no_reason_to_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("PROBING_VLP_CACHE", str(tmp_path / "file"))
    assert len(open_regions(files.lxmert_tsv(tmp_path / "a.tsv", detected()))) == 4


@pytest.mark.skipif(DATA is None, reason="PROBING_VLP_DATA is not set")
def test_the_real_files() -> None:
    """Eight photographs of COCO val2014 with ROSITA's features; sizes are those of the pictures."""
    from PIL import Image as PIL

    place = Path(str(DATA)) / "region-features"
    file = open_regions(place / "features")
    assert (len(file), file.kind) == (8, "ROSITA npz")
    for path in sorted((place / "images").glob("*.jpg")):
        found = file.get(Image(int(path.stem[-12:]), path.name, "test"))
        with PIL.open(path) as picture:
            assert (found.width, found.height) == picture.size
        assert found.features.shape == (36, 2048) and found.boxes.shape == (36, 4) and found.confidence is None
        assert 25 < found.features.max() < 37 and 0.3 < (found.features == 0).mean() < 0.45
        assert found.boxes[:, 2].max() <= found.width and found.boxes[:, 3].max() <= found.height
