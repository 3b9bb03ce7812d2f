"""The demo's chapters are commands that exist, with options that exist; the story itself is a slow test."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from told import parse

from probing_vlp.commands.chapters import ROOT
from probing_vlp.commands.demo import DemoConfig, chapters


def test_every_chapter_is_a_command_that_parses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for chosen in parse(chapters(DemoConfig("somewhere", "photographs"))):
        assert "somewhere" in str(chosen)


@pytest.mark.slow
def test_the_whole_story(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "probe.py", "demo", "--out", tmp_path / "demo"],
        cwd=ROOT,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    page = (tmp_path / "demo" / "report" / "index.html").read_text(encoding="utf-8")
    assert "mini-clip" in page and "<svg" in page
