"""Surveys of real captions: the numbers of the plain analyses, whatever the chunks, processes, shards and kills."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from programs import ROOT

from analysis.__main__ import COMMANDS, name_dumps
from analysis.context import Context, load_context
from analysis.streams.streaming import STREAMED, module_of
from probing_vlp.cli import main
from probing_vlp.data.embedded import load_embedded
from probing_vlp.dump import read_dump, write_coco_results, write_dump
from probing_vlp.pages.results import Row, read_rows
from probing_vlp.records import CaptionRecord

ODD = ["", "...", "собака на скамейке", "犬", "zwei Hunde über dem Zaun", "a " * 5000, "\u2028 a dog\r\t"]


@pytest.fixture(scope="module")
def records() -> list[CaptionRecord]:
    """Human captions of 60 photographs, and captions of every odd kind."""
    data = load_embedded()
    human = [CaptionRecord(image.image_id, data.captions[image.image_id][0]) for image in data.split("test")[:60]]
    return human + [CaptionRecord(human[place].image_id, text) for place, text in enumerate(ODD)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, records: list[CaptionRecord]) -> Path:
    """A folder with the dump, a language model to use, and the survey of the whole in one chunk."""
    folder = tmp_path_factory.mktemp("survey")
    write_dump(folder / "all.jsonl", {"name": "all"}, records)
    golden = (ROOT / "tests" / "golden" / "toy_lmplz.arpa").read_bytes()
    (folder / "toy.arpa").write_bytes(golden)
    assert survey(folder, folder / "all.jsonl", out="one") == 0
    return folder


def run(*words: str | Path) -> int:
    try:
        main("python -m analysis", "", COMMANDS, name_dumps(list(map(str, words))))
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def survey(folder: Path, *words: str | Path, out: str) -> int:
    return run("survey", *words, "--lm", folder / "toy.arpa", "--out", folder / out)


def sums(folder: Path, out: str, name: str = "all") -> dict[str, object]:
    tally: dict[str, object] = json.loads((folder / out / f"{name}.sums.json").read_text())["tally"]
    return tally


def test_values_are_those_of_the_analyses(place: Path) -> None:
    context = load_context(draws=2, lm=place / "toy.arpa")
    found = {row.name: row for row in read_rows(place / "one" / "survey.csv")}
    dump = read_dump(place / "all.jsonl")
    plain: list[Row] = [
        row for name in ("perplexity", "nouns", "unigrams", "parts") for row in module_of(name).measure(dump, context)
    ]
    assert len(plain) > 50
    for row in plain:
        assert found[row.name].value == pytest.approx(row.value, rel=1e-9)
        assert (found[row.name].n, found[row.name].unit, found[row.name].note) == (row.n, row.unit, row.note)


def test_odd_captions_are_measured_and_counted(place: Path, records: list[CaptionRecord]) -> None:
    found = {row.name: row for row in read_rows(place / "one" / "survey.csv")}
    n = len(records)
    # "" and "..." have no words; Russian and Japanese have no Latin letter, German has most of them
    assert found["empty_captions"].value == found["foreign_captions"].value == pytest.approx(2 / n)
    # every odd caption is the second of its image
    assert (found["images"].value, found["repeated_images"].value) == (60, len(ODD))
    assert {found[name].n for name in ("length", "nouns", "empty_captions", "perplexity")} == {n}


@pytest.mark.parametrize(
    ("out", "options"),
    [("small", ["--chunk", "7"]), ("forked", ["--processes", "2", "--chunk", "10"])],
)
def test_chunks_and_processes_change_nothing(place: Path, out: str, options: list[str]) -> None:
    assert survey(place, place / "all.jsonl", *options, out=out) == 0
    assert (place / out / "all.sums.json").read_bytes() == (place / "one" / "all.sums.json").read_bytes()
    assert (place / out / "survey.csv").read_bytes() == (place / "one" / "survey.csv").read_bytes()
    assert not (place / out / "chunks").exists()


def test_formats_change_nothing(place: Path, records: list[CaptionRecord]) -> None:
    write_coco_results(place / "all.json", records)
    (place / "packed.jsonl.gz").write_bytes(gzip.compress((place / "all.jsonl").read_bytes()))
    assert survey(place, place / "all.json", place / "packed.jsonl.gz", out="formats") == 0
    # two dumps of one name are told apart
    assert sums(place, "formats") == sums(place, "formats", "all-2") == sums(place, "one")


def test_shards_merge_to_the_whole(place: Path, records: list[CaptionRecord]) -> None:
    names = []
    for i in range(7):
        names.append(place / f"part{i}.jsonl")
        write_dump(
            names[-1], {"name": f"part{i}"}, records[i * 3 :: 21] + records[i * 3 + 1 :: 21] + records[i * 3 + 2 :: 21]
        )
    assert survey(place, *names, out="parts") == 0
    files = [place / "parts" / f"part{i}.sums.json" for i in range(7)]
    assert run("merge", *files, "--out", place / "ab", "--name", "all") == 0
    assert run("merge", *files[::-1], "--out", place / "ba", "--name", "all") == 0
    assert (place / "ab" / "all.sums.json").read_bytes() == (place / "ba" / "all.sums.json").read_bytes()
    assert sums(place, "ab") == sums(place, "one")
    assert read_rows(place / "ab" / "all.csv") == read_rows(place / "one" / "survey.csv")


def test_killed_and_resumed(place: Path, records: list[CaptionRecord]) -> None:
    """Killed outright after the first chunks, then taken up: the finished ones are kept, the result is the same."""
    out, words = place / "killed", ["--lm", place / "toy.arpa", "--out", place / "killed", "--chunk", "1"]
    command = [sys.executable, "-m", "analysis", "survey", place / "all.jsonl", *words, "--processes", "2"]
    started = subprocess.Popen(list(map(str, command)), cwd=ROOT, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(list(out.glob("chunks/all/0*.json"))) < 2 and started.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(started.pid, signal.SIGKILL)
    started.wait()
    kept = {path: path.stat().st_mtime_ns for path in out.glob("chunks/all/0*.json")}
    assert 2 <= len(kept) < len(records) and not (out / "survey.csv").exists()
    spoilt = min(kept)
    spoilt.write_text("{")
    assert survey(place, place / "all.jsonl", "--chunk", "1", "--resume", out="killed") == 2
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in kept.items() if path != spoilt)
    spoilt.unlink()
    assert survey(place, place / "all.jsonl", "--chunk", "1", "--resume", out="killed") == 0
    assert (out / "survey.csv").read_bytes() == (place / "one" / "survey.csv").read_bytes()


def refused(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    """The one line of a command that exits with 2."""
    assert run(*words) == 2
    said = capsys.readouterr()
    lines = [line for line in said.err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and said.out == ""
    return lines[0]


def test_strict_refuses_a_second_caption_of_an_image(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_dump(tmp_path / "d.jsonl", {}, [CaptionRecord(5, "a dog"), CaptionRecord(5, "a cat")])
    words = ["survey", tmp_path / "d.jsonl", "--lm", place / "toy.arpa", "--out", tmp_path / "out", "--strict"]
    assert "caption 2 (image 5) is not the first of its image" in refused(capsys, *words)


def test_bad_input_is_one_line(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = (place / "all.jsonl").read_bytes()
    (tmp_path / "cut.jsonl").write_bytes(whole[: whole.rindex(b"\n", 0, -1) + 1])
    (tmp_path / "none.json").write_text("[]")
    common = ["--lm", place / "toy.arpa", "--out", tmp_path / "out"]
    assert "the file ends after 66 of 67 captions" in refused(capsys, "survey", tmp_path / "cut.jsonl", *common)
    assert "none.json: holds no captions" in refused(capsys, "survey", tmp_path / "none.json", *common)
    assert "no dump given" in refused(capsys, "survey", *common)
    assert "--processes 0" in refused(capsys, "survey", place / "all.jsonl", *common, "--processes", "0")
    assert "no such streaming analysis" in refused(capsys, "survey", place / "all.jsonl", *common, "--skip", '["x"]')
    assert not (tmp_path / "out" / "survey.csv").exists()


def test_what_cannot_be_merged(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole, out = place / "one" / "all.sums.json", ["--out", tmp_path / "out"]
    assert "are in" in refused(capsys, "merge", whole, whole, *out)
    data = json.loads(whole.read_text())
    data["setup"]["perplexity"]["facts"]["language model"] = "another"
    (tmp_path / "other.json").write_text(json.dumps(data))
    assert "measured with another language model" in refused(capsys, "merge", whole, tmp_path / "other.json", *out)
    (tmp_path / "foreign.json").write_text('{"a": 1}')
    assert "not a file of sums" in refused(capsys, "merge", tmp_path / "foreign.json", *out)
    (tmp_path / "broken.json").write_text(whole.read_text()[:-40])
    assert "not a file of sums" in refused(capsys, "merge", tmp_path / "broken.json", *out)
    assert "no file of sums given" in refused(capsys, "merge", *out)
    assert not (tmp_path / "out").exists()


def test_every_streaming_analysis_takes_no_captions() -> None:
    context = Context({}, lambda: ["a b", "a c"])
    for name in set(STREAMED) - {"perplexity"}:
        module = module_of(name)
        assert module.ratios() == {} or all(len(column) == 0 for column in module.columns([], context).values())
