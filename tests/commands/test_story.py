"""Stories and the matrix are commands that exist, with options that exist; telling them is a slow test."""

import json
from pathlib import Path

import pytest
from told import parse

from probing_vlp.commands.chapters import ROOT
from probing_vlp.commands.matrix import MatrixConfig, find
from probing_vlp.commands.matrix import chapters as crossing
from probing_vlp.commands.story import StoryConfig, chapters, run
from probing_vlp.dump import read_dump, write_dump
from probing_vlp.errors import UserError
from probing_vlp.records import CaptionRecord


@pytest.mark.parametrize(
    ("config", "count"),
    [
        (StoryConfig("mini-clip", "somewhere"), 8),
        (StoryConfig("uniter", "somewhere"), 9),  # and a mini one is trained
        (StoryConfig("uniter", "somewhere", source="captions", images="photographs"), 11),  # and features, and regions
        (StoryConfig("clip", "somewhere", source="captions", images="photographs"), 10),  # and features, no regions
        (StoryConfig("uniter", checkpoint="u.pt", vocab="v.txt", regions="r.tsv", features="f", source="captions"), 8),
        (StoryConfig("my.module:Scorer", source="captions", images="photographs", features="f"), 8),
    ],
)
def test_every_chapter_is_a_command_that_parses(
    config: StoryConfig, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    story = chapters(config)
    parse(story)
    assert len(story) == count


def test_published_weights_and_their_regions_are_the_scorers_options() -> None:
    story = chapters(StoryConfig("uniter", checkpoint="u.pt", regions="r.tsv", features="f", source="captions"))
    words = next(words for _, words in story if words[1] == "scst")
    given = json.loads(words[words.index("--options") + 1])
    assert given == {"uniter": {"checkpoint": "u.pt", "region_file": "r.tsv"}}


def test_data_without_photographs_or_features() -> None:
    with pytest.raises(UserError, match="give --images FOLDER, or both --features and --regions"):
        run(StoryConfig("uniter", source="captions"))


def test_clip_without_photographs() -> None:
    with pytest.raises(UserError, match="clip looks at photographs: give --images FOLDER"):
        run(StoryConfig("clip"))


def write(out: Path, name: str, scores: dict[str, float], **header: object) -> None:
    record = CaptionRecord(1, "a dog", "1.jpg", ("a", "dog"), -1.0, scores)
    write_dump(out / name / "dumps" / "test.jsonl", {"name": name, "split": "test", **header}, [record])


def test_only_what_is_not_scored_is_scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    data = {"config": {"data": {"source": "captions", "features": "f", "images": None}}}
    write(tmp_path, "ce", {"uniter": 0.1}, **data)
    write(tmp_path, "uniter", {"uniter": 0.2, "clip": 0.3}, options={"uniter": {"checkpoint": "u.pt"}}, **data)
    write(tmp_path, "clip", {"clip": 0.3}, options={"clip": {"arch": "ViT-B-32"}, "cider": {}}, **data)
    config = MatrixConfig(str(tmp_path), ["uniter", "clip"])
    story = crossing(config, [read_dump(find(config, name)) for name in ("ce", "uniter", "clip")])
    parse(story)
    assert [title for title, _ in story[:-2]] == ["score ce", "score clip"]
    words = story[0][1]
    assert json.loads(words[words.index("--options") + 1]) == {
        "uniter": {"checkpoint": "u.pt"},
        "clip": {"arch": "ViT-B-32"},
    }
    assert words[words.index("--data.source") + 1] == "captions" and "--data.images" not in words


def test_a_story_that_was_not_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"make it with: python probe.py story --scorer uniter"):
        find(MatrixConfig(str(tmp_path)), "ce")
