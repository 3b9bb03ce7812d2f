"""Bad input to every command: exit code 2, one line on stderr that begins with "error:", and nothing written.

Each case is a row: its name, the command, what is spoilt beforehand, and a part of the line that is expected.  Commands run in
a scratch copy of the small world (`{}` in a command is its folder), whose files are compared before and after.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image as Picture
from programs import Ended, Programs, flags
from world import World, write_captions, write_features

from probing_vlp.checkpoints import Checkpoint
from probing_vlp.dump import read_dump, write_dump

SPOIL = Callable[[Path], object]
DATA = "--data.source {}/data --data.features {}/features"
CE = f"train.py ce {DATA} --run {{}}/new --captioner.hidden 8 --captioner.embedding 8 --min_count 1 --epochs 2 --batch_size 8"
SCST = f"train.py scst {DATA} --init {{}}/ce --run {{}}/new --scorers.cider 1 --steps 2 --batch_size 8 --samples 2"
PIXELS = "--data.images {}/images --scorers '{\"toy_scorers:Brightness\": 1}'"
SCORER = f"train.py scorer {DATA} --run {{}}/new --min_count 0 --word 8 --hidden 8 --joint 8 --epochs 1 --batch_size 16"
DUMP = f"probe.py dump {DATA} --run {{}}/ce --out {{}}/new.jsonl"
SCORE = f"probe.py score {DATA} --dump {{}}/test.jsonl --scorers [cider] --out {{}}/new.jsonl"
FEATURES = "probe.py features --data {}/data --images {}/images --backbone toy_scorers:backbone --out {}/new --device cpu"
DOWNLOAD = "probe.py data --out {}/new --images false --retries 0 --wait 0"
REPORT = "-m analysis report {}/test.jsonl --data {}/data --corpus data --photos none --out {}/new"
UNIGRAMS = "-m analysis unigrams {}/test.jsonl --data {}/data --out {}/new"


class Case(NamedTuple):
    name: str
    command: str
    message: str
    spoil: SPOIL = lambda place: None


def write(name: str, text: str) -> SPOIL:
    return lambda place: (place / name).write_text(text)


def remove(name: str) -> SPOIL:
    return lambda place: (place / name).unlink()


def cut(name: str, share: float = 0.5) -> SPOIL:
    """The file ends after a share of its bytes."""
    return lambda place: os.truncate(place / name, int((place / name).stat().st_size * share))


def cut_lines(name: str, count: int) -> SPOIL:
    """The file's last `count` lines are gone, and those before are whole."""
    return lambda place: (place / name).write_bytes(b"".join((place / name).read_bytes().splitlines(True)[:-count]))


def stray_annotation(place: Path) -> None:
    path = place / "data" / "captions_train.json"
    content = json.loads(path.read_text())
    content["annotations"][7]["image_id"] = 999
    path.write_text(json.dumps(content))


def other_captions(place: Path) -> None:
    write_captions(place / "data" / "captions_train.json", 1, [f"train_{i + 1}.jpg" for i in range(32)],
                   [["a zebra in the kitchen", "a zebra"]] * 32)


def other_width(place: Path) -> None:
    images = [json.loads(path.read_text())["images"] for path in sorted((place / "data").iterdir())]
    ids = [image["id"] for split in images for image in split]
    shutil.rmtree(place / "features")
    write_features(place / "features", ids, [""] * len(ids), np.ones((len(ids), 12)))


def fewer_features(place: Path) -> None:
    shutil.rmtree(place / "features")
    write_features(place / "features", range(1, 21), [""] * 20, np.ones((20, 16)))


def foreign_checkpoint(place: Path) -> None:
    Checkpoint({"model.w": torch.zeros(2)}, {"step": 1}).save(place / "ce" / "checkpoints" / "best.safetensors")


def no_features(place: Path) -> None:
    shutil.rmtree(place / "features")


def no_jpeg(place: Path) -> None:
    (place / "images" / "val_40.jpg").write_text("<html>404 Not Found</html>")


BROKEN = write("data/captions_train.json", '{"images": [')
NO_VAL = remove("data/captions_val.json")
BAD_DATA = (
    ("captions that are no JSON", "captions_train.json, line 1: not JSON", BROKEN),
    ("annotation for an unknown image", "annotation 7 is for image 999, which is unknown", stray_annotation),
    ("captions that are a picture", "not JSON", lambda place: shutil.copy(place / "images/val_40.jpg", place / "data/captions_val.json")),
)
BAD_FEATURES = (
    ("no features", "no such feature index", no_features),
    ("features cut", "not a whole .npy file", cut("features/features.npy")),
    ("features of some images only", "no features of", fewer_features),
)
CASES = [
    *(Case(f"{name}: {what}", command, message, spoil) for name, command in
      (("ce", CE), ("scst", SCST), ("scorer", SCORER), ("dump", DUMP), ("score", SCORE), ("features", FEATURES), ("report", REPORT),
       ("unigrams", UNIGRAMS)) for what, message, spoil in BAD_DATA),
    *(Case(f"{name}: {what}", command, message, spoil) for name, command in
      (("ce", CE), ("scst", SCST), ("scorer", SCORER), ("dump", DUMP)) for what, message, spoil in BAD_FEATURES),
    *(Case(f"{name}: empty split", command, "split 'val' is empty; there are: train, test", NO_VAL) for name, command in
      (("ce", CE), ("scst", SCST), ("scorer", SCORER), ("dump", DUMP + " --split val"))),
    *(Case(f"{name}: {what}", command.replace("--scorers.cider 1", "").replace("--scorers [cider]", "").replace(
        "--backbone toy_scorers:backbone", "") + option, message)
      for name, command, option, message in (
        ("scst: unknown scorer", SCST, " --scorers.mini_clip 1", "unknown scorer 'mini_clip'; did you mean mini-clip"),
        ("dump: unknown scorer", DUMP, " --scorers [mimi-clip]", "unknown scorer 'mimi-clip'; did you mean mini-clip"),
        ("score: unknown scorer", SCORE, " --scorers [ciderd]", "unknown scorer 'ciderd'; did you mean cider"),
        ("features: unknown backbone", FEATURES, " --backbone resnet11", "unknown backbone 'resnet11'; did you mean resnet101"),
        ("report: unknown analysis", REPORT, " --skip [metric]", "--skip metric: no such analysis; there are metrics"),
        ("scst: scorer of a module that is not there", SCST, " --scorers '{\"nowhere:Scorer\": 1}'", "no module nowhere"),
        ("scst: NaN for every sample", SCST, " --scorers '{\"toy_scorers:Unscored\": 1}'", "gave NaN for all 16 captions"),
        ("scst: no reward", SCST, " --scorers.cider 0", "no reward: give at least one scorer a weight")) for what in [""]),
    *(Case(f"{name}: unknown option", f"{command} {option} 1", f"unknown option {option}; did you mean {meant}")
      for name, command, option, meant in (
        ("ce", CE, "--bach_size", "--batch_size"), ("scst", SCST, "--sample", "--samples"),
        ("scorer", SCORER, "--dropot", "--dropout"), ("dump", DUMP, "--decoding.beem", "--decoding.beam"),
        ("score", SCORE, "--outt", "--out"), ("features", FEATURES, "--backbon", "--backbone"),
        ("data", DOWNLOAD, "--retrys", "--retries"), ("demo", "probe.py demo --out {}/new", "--imges", "--images"),
        ("report", REPORT, "--photo", "--photos"), ("unigrams", UNIGRAMS, "--drawz", "--draws"))),
    *(Case(f"{name}: YAML that is none", f"{command} --config {{}}/bad.yaml", "bad.yaml", write("bad.yaml", "seed: [1"))
      for name, command in (("ce", CE), ("scst", SCST), ("scorer", SCORER), ("dump", DUMP), ("report", REPORT))),
    *(Case(f"{name}: YAML with an unknown key", f"{command} --config {{}}/bad.yaml", "sede", write("bad.yaml", "sede: 1"))
      for name, command in (("ce", CE), ("dump", DUMP))),
    Case("ce: no such config", f"{CE} --config {{}}/none.yaml", "none.yaml"),
    Case("ce: a word for a number", f"{CE} --batch_size many", "batch_size"),
    Case("ce: no images a step", f"{CE} --batch_size 0", "batch_size"),
    Case("scst: no samples", f"{SCST} --samples 0", "samples"),
    Case("scst: one sample held against the others", f"{SCST} --samples 1 --baseline leave-one-out", "samples"),
    Case("dump: no words", f"{DUMP} --decoding.max_length 0", "max_length"),
    Case("ce: unknown choice", f"{DUMP} --decoding.method greedi", "greedi"),
    Case("no command", "train.py", "command"),
    Case("unknown command", "train.py sct", "sct"),
    Case("ce: folder holds a run", CE.replace("{}/new", "{}/ce"), "holds a run already; give --resume"),
    Case("scst: folder holds a run", SCST.replace("{}/new", "{}/ce"), "holds a run already; give --resume"),
    Case("scorer: folder holds a run", SCORER.replace("{}/new", "{}/ce"), "holds a run already; give --resume"),
    Case("features: folder is there", FEATURES.replace("{}/new", "{}/features"), "made with another backbone"),
    Case("ce: vocabulary of another checkpoint", CE.replace("{}/new", "{}/ce") + " --resume", "has a vocabulary of", other_captions),
    Case("ce: width of another checkpoint", CE.replace("{}/new", "{}/ce") + " --resume", "of width 12", other_width),
    Case("ce: resumed with another size", CE.replace("{}/new", "{}/ce") + " --resume", "hidden"),
    Case("scst: width of another checkpoint", SCST, "was trained on features toy of width 16; those given are toy of width 12", other_width),
    Case("dump: width of another checkpoint", DUMP, "was trained on features toy of width 16", other_width),
    Case("ce: last checkpoint cut", CE.replace("{}/new", "{}/ce") + " --resume", "not a checkpoint",
         cut("ce/checkpoints/last.safetensors")),
    Case("scst: no checkpoint", SCST.replace("{}/ce", "{}/nothing"), "holds no checkpoint; train one first"),
    Case("dump: no checkpoint", DUMP.replace("{}/ce", "{}/nothing"), "holds no checkpoint; train one first"),
    Case("scst: checkpoint cut", SCST, "not a checkpoint", cut("ce/checkpoints/best.safetensors")),
    Case("dump: checkpoint cut", DUMP, "not a checkpoint", cut("ce/checkpoints/best.safetensors", 0.001)),
    Case("dump: checkpoint of something else", DUMP, "is not the checkpoint of a captioner", foreign_checkpoint),
    Case("scst: missing image", SCST + PIXELS.join("  "), "val_40.jpg: no such image", remove("images/val_40.jpg")),
    Case("scst: truncated JPEG", SCST + PIXELS.join("  "), "val_40.jpg: not a whole image", cut("images/val_40.jpg")),
    Case("dump: missing image", f"{DUMP} --split val --data.images {{}}/images --scorers [toy_scorers:Brightness]",
         "val_40.jpg: no such image", remove("images/val_40.jpg")),
    Case("dump: truncated JPEG", f"{DUMP} --split val --data.images {{}}/images --scorers [toy_scorers:Brightness]",
         "val_40.jpg: not a whole image", cut("images/val_40.jpg")),
    Case("dump: a scorer without its images", f"{DUMP} --scorers [toy_scorers:Brightness]", "give --data.images"),
    Case("features: missing image", FEATURES, "1 of 64 images are missing", remove("images/val_40.jpg")),
    Case("features: truncated JPEG at the start", FEATURES + " --batch_size 8", "train_1.jpg: not a whole image", cut("images/train_1.jpg")),
    Case("features: an image that is none", FEATURES.replace("{}/images", "{}/one") + "", "not a whole image",
         lambda place: (shutil.copytree(place / "images", place / "one"), (place / "one/train_1.jpg").write_text("<html>"))),
    Case("report: missing photograph", REPORT.replace("--photos none", "--images {}/images"), "no such image",
         lambda place: [path.unlink() for path in (place / "images").glob("test_*")]),
    Case("report: truncated JPEG", REPORT.replace("--photos none", "--images {}/images"), "not a readable picture",
         lambda place: [os.truncate(path, 300) for path in (place / "images").glob("test_*")]),
    *(Case(f"{name}: dump {what}", command, f"test.jsonl, line {line}", spoil) for name, command in
      (("score", SCORE), ("report", REPORT), ("unigrams", UNIGRAMS)) for what, line, spoil in (
        ("cut in the middle of a line", 17, cut("test.jsonl", 0.99)), ("cut at the end of a line", 15, cut_lines("test.jsonl", 2)),
        ("of another program", 1, write("test.jsonl", '{"captions": []}\n')))),
    *(Case(f"{name}: no such dump", command.replace("test.jsonl", "none.jsonl"), "none.jsonl: no such dump") for name, command in
      (("score", SCORE), ("report", REPORT), ("unigrams", UNIGRAMS))),
    Case("score: an image that the data lack", SCORE, "image 64 is not in the data",
         lambda place: write_captions(place / "data/captions_test.json", 49, [f"test_{i}.jpg" for i in range(49, 64)], [["a dog"]] * 15)),
    Case("dump: out is a folder", DUMP.replace("{}/new.jsonl", "{}/images"), "images"),
    Case("ce: run is a file", CE.replace("{}/new", "{}/file"), "file", write("file", "kept")),
    Case("data: out is a file", DOWNLOAD.replace("{}/new", "{}/file"), "file", write("file", "kept")),
    Case("data: no such server", DOWNLOAD + " --coco_url http://127.0.0.1:9", "127.0.0.1"),
]


@pytest.fixture(scope="session")
def origin(world: World, trained: Path, programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, features, images, a trained captioner and its dump."""
    place = tmp_path_factory.mktemp("origin")
    for path in (world.data, world.features, world.images):
        shutil.copytree(path, place / path.name)
    shutil.copytree(trained, place / "ce")
    programs.run("probe.py", "dump", *flags({**world.options(), "run": trained, "out": place / "test.jsonl"})).succeeded()
    return place


@pytest.fixture
def place(origin: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(origin, tmp_path / "place"))


def listing(place: Path) -> dict[str, bytes]:
    """Every file and folder below."""
    return {str(path.relative_to(place)): path.read_bytes() if path.is_file() else b"" for path in sorted(place.rglob("*"))}


def words(command: str, place: Path) -> list[str]:
    import shlex

    return [word.replace("{}", str(place)) for word in shlex.split(command)]


def check_refused(ended: Ended, message: str) -> None:
    """Exit code 2 and one line that says `message`."""
    assert ended.err.startswith("error: "), ended.err
    assert ended.err.count("\n") == 1 and ended.err.endswith("\n"), ended.err
    assert message in ended.err
    assert ended.code == 2


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_refused_in_one_line_with_nothing_written(case: Case, place: Path, programs: Programs) -> None:
    case.spoil(place)
    before = listing(place)
    check_refused(programs.run(*words(case.command, place)), case.message)
    assert listing(place) == before
