"""The demo's chapters are commands that exist, with options that exist; the story itself is a slow test."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from analysis.__main__ import COMMANDS as ANALYSIS
from analysis.__main__ import name_dumps
from probe import COMMANDS as PROBE
from probing_vlp.chapters import ROOT
from probing_vlp.cli import build_parser
from probing_vlp.demo import DemoConfig, chapters
from train import COMMANDS as TRAIN


def test_every_chapter_is_a_command_that_parses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for _, words in chapters(DemoConfig("somewhere", "photographs")):
        program, arguments = (words[1], name_dumps(words[2:])) if words[0] == "-m" else (words[0], words[1:])
        commands = {"train.py": TRAIN, "probe.py": PROBE, "analysis": ANALYSIS}[program]
        chosen = build_parser(program, "", commands)[0].parse_args(arguments)
        assert chosen.command == arguments[0]
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
