"""The data of the page's search: marks, samples, and JSON that cannot leave its element."""

import json
from pathlib import Path

import numpy as np
import pytest
from report_world import IDS, make_world, name_of

from analysis.context import Context
from analysis.report import browse, photos
from analysis.report.photos import Photo, small_photos
from probing_vlp.dump import CaptionDump
from probing_vlp.records import CaptionRecord, Image


def dump(name: str, captions: list[str], scores: list[float | None]) -> CaptionDump:
    pairs = zip(IDS, captions, scores, strict=True)
    return CaptionDump(name, tuple(CaptionRecord(key, text, scores={"clip": score}) for key, text, score in pairs))


def test_scores_changes_and_marks_stand_beside_each_caption() -> None:
    dumps = [
        dump("CE", ["a dog"] * 5, [0.1] * 5),
        dump("S", ["</script><b>"] * 4 + ["a dog " * 2000], [0.5, None, 0.1, 0.2, 0.3]),
    ]
    images = [Image(key, name_of(key), "test") for key in IDS]
    marks = {
        "CE": {"odd_one": np.array([0, 0, 0, 0, 0]), "all": np.ones(5), "none": np.zeros(5)},
        "S": {"odd_one": np.array([1, 0, 0, 0, 0]), "all": np.ones(5), "none": np.zeros(5)},
    }
    context = Context({42: ("A person.",)}, list)
    made = browse.build_browse(dumps, images, [Photo()] * 5, 5, context, marks, "clip")
    assert "<" not in made.data
    data = json.loads(made.data)
    assert data["marks"] == ["odd one"]
    assert data["images"][0]["captions"] == [["a dog", 0.1, None, []], ["</script><b>", 0.5, 0.4, [0]]]
    assert data["images"][1]["captions"][1] == ["</script><b>", None, None, []]
    assert len(data["images"][4]["captions"][1][0]) == browse.LONGEST + 1
    assert data["images"][0]["human"] == ["A person."] and data["images"][1]["human"] == []


def test_a_large_dump_is_sampled_by_the_seed() -> None:
    ids = list(range(5000))
    chosen = browse.sample(ids, [7, 4999], 1)
    assert len(chosen) == browse.MOST and {7, 4999} <= set(chosen) and chosen == sorted(set(chosen))
    assert chosen == browse.sample(ids, [7, 4999], 1) != browse.sample(ids, [7, 4999], 2)
    assert browse.sample(IDS, [42], 1) == list(IDS)


def test_small_photographs_stop_at_the_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world(tmp_path)
    images = [Image(key, name_of(key), "test") for key in (42, 73, 74, 1)]
    found = small_photos(images, "auto", world / "images")
    assert [bool(photo.source) for photo in found] == [True, True, True, False]  # image 1 is not in the folder
    assert found[0].width == photos.SMALL and found[3].url.endswith(name_of(1))
    monkeypatch.setattr(photos, "BUDGET", len(found[0].source) + 1)
    assert [bool(photo.source) for photo in small_photos(images, "auto", world / "images")] == [
        True,
        True,
        False,
        False,
    ]
    assert [photo.url for photo in small_photos(images, "none", world / "images")] == [""] * 4
