"""`python -m analysis thresholds` and `drift --thresholds`, from files to files."""

import json
from pathlib import Path

import pytest
from report_world import CE, IDS, SCST, make_world, name_of

from analysis.__main__ import COMMANDS, name_dumps
from analysis.drift.thresholds import read_bands
from probing_vlp.cli import main
from probing_vlp.dump import write_dump
from probing_vlp.pages.results import read_rows
from probing_vlp.records import CaptionRecord

SEEDS = (CE, tuple(text.replace("dog", "cat") for text in CE), tuple(text.replace("in a", "on the") for text in CE))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make_world(tmp_path_factory.mktemp("learning"))
    for place, captions in enumerate((*SEEDS, SCST)):
        records = [CaptionRecord(key, text, name_of(key)) for key, text in zip(IDS, captions, strict=True)]
        header = {"name": f"d{place}", "data": f"{root / 'images'},{root / 'captions.csv'}", "config": {"seed": place}}
        write_dump(root / f"d{place}.jsonl", header, records)
    return root


def run(*argv: str | Path) -> int:
    try:
        main("python -m analysis", "", COMMANDS, name_dumps(list(map(str, argv))))
    except SystemExit as left:
        return int(left.code or 0)
    return 0


def test_learned_and_used(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dumps, learned = [world / f"d{i}.jsonl" for i in range(4)], world / "bands.json"
    assert run("thresholds", *dumps[:3], "--out", learned, "--draws", "50") == 0
    bands = read_bands(learned)
    assert bands.seeds == 3
    assert bands.bands["words"].mean == (5 + 5 + 6 + 5 + 4) / 5
    assert [made["seed"] for made in json.loads(learned.read_text())["made_from"]] == [0, 1, 2]
    assert run("drift", dumps[0], dumps[3], "--thresholds", learned, "--out", world / "out", "--draws", "50") == 0
    rows = {(row.model, row.name): row for row in read_rows(world / "out" / "drift.csv")}
    assert "bands.json" in rows["d3", "threshold:words"].note
    assert rows["d0", "crossed:words"].value == 0
    assert rows["human", "drift:words"].n == 5
    capsys.readouterr()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["thresholds", "d0.jsonl"], "two seeds"),
        (["thresholds", "d0.jsonl", "copy.jsonl"], "hold the same captions"),
        (["thresholds", "d0.jsonl", "part.jsonl"], "describe different images"),
        (["drift", "d0.jsonl", "--thresholds", "captions.csv"], "captions.csv: not a file of thresholds"),
        (["drift", "d0.jsonl", "--thresholds", "none.json"], "none.json: no such file of thresholds"),
    ],
)
def test_mistakes_end_in_one_line(
    world: Path, words: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(world)
    lines = (world / "d0.jsonl").read_text()
    (world / "copy.jsonl").write_text(lines.replace('"d0"', '"copy"'))
    (world / "part.jsonl").write_text("\n".join(lines.replace('"count": 5', '"count": 4').split("\n")[:5]) + "\n")
    before = sorted(world.iterdir())
    assert run(*words, "--out", "made") == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1 and message.startswith("error: ") and said in message
    assert sorted(world.iterdir()) == before
