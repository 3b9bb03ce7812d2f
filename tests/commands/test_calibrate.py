"""The calibration's chapters are commands that exist, with options that exist; the table; the story is a slow test."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from told import parse

from analysis.habits.naming import PLANTED as HABIT_OF
from analysis.habits.verdicts import HABITS
from probing_vlp.commands.calibrate import (
    PLANTED,
    SOUND,
    CalibrateConfig,
    beginning,
    counting,
    naming,
    run,
    training,
)
from probing_vlp.commands.chapters import ROOT
from probing_vlp.errors import UserError
from probing_vlp.scorers import SCORERS


def test_every_chapter_is_a_command_that_parses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    config = CalibrateConfig("somewhere")
    story = [
        *beginning(config),
        *training(config, "planted-nouns", 2),
        *naming(config, "planted-nouns", 2),
        *counting(config),
    ]
    assert len(story) == 8
    assert all("somewhere" in str(chosen) for chosen in parse(story))


def test_a_captioner_that_is_there_is_not_trained() -> None:
    config = CalibrateConfig("somewhere", init="runs/ce")
    assert [words[:2] for _, words in beginning(config)] == [["probe.py", "dump"]]
    assert "runs/ce" in training(config, "planted-order", 1)[0][1]


def test_the_planted_scorers_are_those_of_the_tables() -> None:
    assert set(PLANTED) == {name for name in SCORERS if name.startswith("planted-")}
    assert HABIT_OF.keys() == {*PLANTED, SOUND} and sorted(HABIT_OF.values()) == sorted(["", *HABITS])


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (CalibrateConfig(scorers=["nouns"]), "--scorers nouns: has no planted flaw; there are planted-nouns, "),
        (CalibrateConfig(seeds=[]), "nothing to calibrate"),
    ],
)
def test_nothing_to_do(config: CalibrateConfig, message: str) -> None:
    with pytest.raises(UserError, match=message):
        run(config)


@pytest.mark.slow
def test_five_of_five_flaws_are_named(tmp_path: Path) -> None:
    words = [sys.executable, "probe.py", "calibrate", "--out", tmp_path / "calibrate", "--seeds", "[1]"]
    subprocess.run(words, cwd=ROOT, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    rows = json.loads((tmp_path / "calibrate" / "results" / "calibration.json").read_text(encoding="utf-8"))
    assert sum(row["value"] for row in rows) == 5
