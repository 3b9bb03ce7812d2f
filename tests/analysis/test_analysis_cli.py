"""`python -m analysis`: results on disk without torch, and bad input that leaves nothing behind."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from analysis.__main__ import COMMANDS, name_dumps
from probing_vlp.cli import main
from probing_vlp.dump import write_coco_results, write_dump
from probing_vlp.pages.results import read_rows
from probing_vlp.records import CaptionRecord

RECORDS = [CaptionRecord(1, "a dog on a bench"), CaptionRecord(2, "a red bus")]
# Imports of torch must not even be tried; then run what the command line asks for
GUARDED = """
import importlib.abc, runpy, sys
class Guard(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.split(".")[0] in ("torch", "transformers"):
            raise RuntimeError(f"{name} was imported")
sys.meta_path.insert(0, Guard())
runpy.run_module("analysis", run_name="__main__")
"""


OWN = """
import runpy
import analysis
analysis.ANALYSES["mine"] = "analysis.statistics.noun_counts:measure"
runpy.run_module("analysis", run_name="__main__")
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two test images and one to train on, as COCO caption files."""
    folder = tmp_path / "data"
    folder.mkdir()
    texts = {
        "train": {9: ["A dog runs.", "a dog on a red bench"]},
        "test": {1: ["a dog", "dog"], 2: ["A bus.", "red bus"]},
    }
    for split, images in texts.items():
        every = [(key, text) for key, captions in images.items() for text in captions]
        (folder / f"captions_{split}.json").write_text(
            json.dumps(
                {
                    "images": [{"id": key, "file_name": f"{key}.jpg"} for key in images],
                    "annotations": [{"id": i, "image_id": key, "caption": text} for i, (key, text) in enumerate(every)],
                }
            )
        )
    return folder


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    write_dump(tmp_path / "ce.jsonl", {"name": "ce", "split": "test"}, RECORDS)
    return tmp_path / "ce.jsonl"


def run(*argv: str | Path) -> int:
    try:
        main("python -m analysis", "", COMMANDS, name_dumps(list(map(str, argv))))
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


@pytest.mark.parametrize("name", ["perplexity", "nouns", "unigrams", "metrics"])
def test_every_analysis_runs_without_torch_and_java(
    name: str, dump: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROBING_VLP_CACHE", str(tmp_path / "cache"))
    write_coco_results(tmp_path / "sample.json", RECORDS[:1])
    monkeypatch.setenv("PATH", str(tmp_path))  # no java either
    command = [
        sys.executable,
        "-c",
        GUARDED,
        name,
        str(dump),
        str(tmp_path / "sample.json"),
        "--data",
        str(data),
        "--corpus",
        "data",
        "--out",
        str(tmp_path / "out"),
        "--draws",
        "20",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    rows = read_rows(tmp_path / "out" / f"{name}.csv")
    assert rows == read_rows(tmp_path / "out" / f"{name}.json")
    assert {row.model for row in rows} == {"ce", "sample"}
    assert all(row.name in done.stdout for row in rows)
    assert ("METEOR  unavailable: no java on PATH" in done.stdout) == (name == "metrics")


def test_dumps_stand_before_the_options() -> None:
    assert name_dumps(["metrics", "a b", "c", "--out", "d"]) == ["metrics", "--dumps", '["a b", "c"]', "--out", "d"]
    assert name_dumps(["metrics", "--help"]) == ["metrics", "--help"]
    assert name_dumps([]) == []


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    said = capsys.readouterr().out
    assert all(name in said for name in ("report", "metrics", "perplexity", "nouns", "unigrams"))
    assert run("perplexity", "--help") == 0
    assert "captions_{train,val,test}.json" in capsys.readouterr().out


def check_refused(capsys: pytest.CaptureFixture[str], out: Path, message: str, *argv: str | Path) -> None:
    """Exit code 2, one line on stderr that holds `message`, nothing written."""
    assert run(*argv, "--out", out) == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: ") and said.err.count("\n") == 1 and message in said.err
    assert said.out == "" and not out.exists()


@pytest.mark.parametrize("name", ["perplexity", "nouns", "unigrams", "metrics"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such dump"),
        (b'{"a": 1}\n', "line 1: not a caption dump"),
        (b"not a dump\n", "line 1: not JSON"),
        (b'[{"image_id": 1}]', "entry 0"),
        (gzip.compress(b"x" * 1000)[:20], "cut or not a text file"),
        (b"\xff\xd8\xff\xe0JFIF", "cut or not a text file"),
    ],
    ids=["missing", "foreign JSON", "text", "COCO results", "cut gzip", "JPEG"],
)
def test_foreign_dump(
    name: str, content: bytes | None, message: str, tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.jsonl"
    if content is not None:
        path.write_bytes(content)
    check_refused(capsys, tmp_path / "out", message, name, path, "--data", data)


def test_captions_without_english(tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = tmp_path / "d.jsonl", tmp_path / "out"
    for captions, message in (
        ([" ", ""], f"{path}: every caption is empty"),
        (["一只狗", "狗"], f"{path}: every caption is of another script"),
    ):
        write_dump(path, {}, [CaptionRecord(i, text) for i, text in enumerate(captions, 1)])
        check_refused(capsys, out, message, "nouns", path, "--data", data)
    write_dump(path, {}, [CaptionRecord(1, "a dog"), CaptionRecord(2, "狗")])
    assert run("nouns", path, "--data", data, "--out", out) == 0
    said = capsys.readouterr().err
    assert said.startswith("warning: 1 of d’s 2 captions are of another script") and said.count("\n") == 1


def test_dump_cut_anywhere(dump: Path, tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = dump.read_bytes()
    for size in (len(whole) // 2, len(whole) - 5, whole.rindex(b"\n", 0, -1) + 1):
        dump.write_bytes(whole[:size])
        check_refused(capsys, tmp_path / "out", f"{dump}, line", "unigrams", dump, "--data", data)


def test_image_without_references(tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "d.jsonl"
    write_dump(path, {}, [*RECORDS, CaptionRecord(4, "x")])
    check_refused(capsys, tmp_path / "out", "image 4 has no reference captions", "metrics", path, "--data", data)


def test_no_train_split_for_the_language_model(
    tmp_path: Path, dump: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "captions_train.json").unlink()
    options = ("--data", data, "--corpus", "data")
    check_refused(capsys, tmp_path / "out", "split 'train' is empty", "perplexity", dump, *options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--corpus", "books"), "coco or data"),
        (("--draws", "0"), "at least 1"),
        (("--seed", "-1"), "--seed -1: must be 0 or more"),
        (("--data", "nowhere"), "nowhere"),
        (("--outt", "x"), "did you mean --out"),
    ],
)
def test_bad_options(
    options: tuple[str, ...], message: str, tmp_path: Path, dump: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check_refused(capsys, tmp_path / "out", message, "unigrams", dump, "--data", data, *options)


@pytest.mark.parametrize("command", ["drift", "matrix"])
def test_dumps_of_different_splits(
    command: str, tmp_path: Path, dump: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_dump(tmp_path / "other.jsonl", {"name": "other", "split": "val"}, RECORDS)
    check_refused(capsys, tmp_path / "out", "of split val", command, dump, tmp_path / "other.jsonl")


@pytest.mark.parametrize("command", ["drift", "report"])
def test_dumps_without_an_image_in_common(
    command: str, tmp_path: Path, dump: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_coco_results(tmp_path / "other.json", [CaptionRecord(77, "a dog")])
    check_refused(capsys, tmp_path / "out", "have no image in common", command, dump, tmp_path / "other.json")


def test_no_dump(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check_refused(capsys, tmp_path / "out", "no dump given", "unigrams")


def test_place_that_cannot_be_written(
    tmp_path: Path, dump: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("kept")
    assert run("unigrams", dump, "--data", data, "--out", tmp_path / "file" / "out") == 2
    assert "is a file" in capsys.readouterr().err and (tmp_path / "file").read_text() == "kept"


def test_a_row_of_the_table_is_a_command() -> None:
    shown = subprocess.run([sys.executable, "-c", OWN, "--help"], capture_output=True, text=True, check=True).stdout
    assert "mine" in shown and "an analysis of your own" in shown
