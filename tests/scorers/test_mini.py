"""Folders of mini models: what is not one says so in one line."""

from pathlib import Path

import pytest

from probing_vlp.errors import UserError
from probing_vlp.scorers._mini import mini_files, read_mini, write_mini
from probing_vlp.scorers.base import load_scorer


def test_a_folder_names_its_own_files(tmp_path: Path) -> None:
    for name in ("uniter.pt", "config.json"):
        (tmp_path / name).touch()
    write_mini(tmp_path, "uniter", {"checkpoint": "uniter.pt", "config": "config.json"}, {"seed": 3})
    assert mini_files("uniter", tmp_path) == {
        "checkpoint": tmp_path / "uniter.pt",
        "config": tmp_path / "config.json",
    }
    about = read_mini(tmp_path)
    assert about is not None
    assert (about["arch"], about["note"], about["seed"]) == ("uniter", "mini, trained here", 3)


def test_anything_else_is_left_to_the_scorer(tmp_path: Path) -> None:
    (tmp_path / "uniter.pt").touch()
    for checkpoint in (None, tmp_path, tmp_path / "uniter.pt", "ViT-B-32"):
        assert read_mini(checkpoint) is None
        assert mini_files("uniter", checkpoint) == {}


@pytest.mark.parametrize("text", ["{", "[]", '{"format": "other"}', '{"format": "mini-zoo", "arch": 1, "files": {}}'])
def test_a_damaged_description_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "mini.json").write_text(text)
    with pytest.raises(UserError, match=r"mini\.json: not the description of a mini model"):
        load_scorer("uniter", checkpoint=tmp_path)


def test_a_missing_file_and_another_model_are_named(tmp_path: Path) -> None:
    write_mini(tmp_path, "uniter", {"checkpoint": "uniter.pt"}, {})
    with pytest.raises(UserError, match=r"uniter\.pt: is missing"):
        load_scorer("uniter", checkpoint=tmp_path)
    with pytest.raises(UserError, match="holds a mini uniter, not clip; give it as the scorer uniter"):
        load_scorer("clip", checkpoint=tmp_path)
