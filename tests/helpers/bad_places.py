"""Commands that work in a copy of the small world, ways to spoil that copy, and what a refusal looks like.

`{}` in a command is the folder of the copy: `data/`, `features/`, `images/`, the run `ce/` and its dump `test.jsonl`.
"""

import json
import os
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from programs import Ended, flags
from world import CAPTIONER, write_captions, write_features

from probing_vlp.checkpoints import Checkpoint

Spoil = Callable[[Path], object]

_DATA = "--data.source {}/data --data.features {}/features"
_AS_TRAINED = " ".join(flags({**CAPTIONER, "validate_every": 40}))
CE = f"train.py ce {_DATA} --run {{}}/new {_AS_TRAINED} --epochs 2"
SCST = f"train.py scst {_DATA} --init {{}}/ce --run {{}}/new --scorers.cider 1 --steps 2 --batch_size 8 --samples 2"
SCORER = f"train.py scorer {_DATA} --run {{}}/new --min_count 0 --word 8 --hidden 8 --joint 8 --epochs 1"
DUMP = f"probe.py dump {_DATA} --run {{}}/ce --out {{}}/new.jsonl"
NEAREST = f"probe.py nearest {_DATA} --out {{}}/new.jsonl"
SCORE = f"probe.py score {_DATA} --dump {{}}/test.jsonl --scorers [cider] --out {{}}/new.jsonl"
_PICTURES = "--data {}/data --images {}/images --device cpu"
FEATURES = f"probe.py features {_PICTURES} --backbone toy_scorers:backbone --out {{}}/new"
DOWNLOAD = "probe.py data --out {}/new --images false --retries 0 --wait 0"
DEMO = "probe.py demo --out {}/new"
REPORT = "-m analysis report {}/test.jsonl --data {}/data --corpus data --photos none --out {}/new"
UNIGRAMS = "-m analysis unigrams {}/test.jsonl --data {}/data --out {}/new"


def words(command: str, place: Path) -> list[str]:
    """The words of a command in a place."""
    return [word.replace("{}", str(place)) for word in shlex.split(command)]


def write(name: str, text: str) -> Spoil:
    return lambda place: (place / name).write_text(text)


def remove(name: str) -> Spoil:
    return lambda place: (place / name).unlink()


def cut(name: str, share: float = 0.5) -> Spoil:
    """The file ends after a share of its bytes."""
    return lambda place: os.truncate(place / name, int((place / name).stat().st_size * share))


def cut_lines(name: str, count: int) -> Spoil:
    """The file's last `count` lines are gone, and those before are whole."""
    return lambda place: (place / name).write_bytes(b"".join((place / name).read_bytes().splitlines(True)[:-count]))


def stray_annotation(place: Path) -> None:
    path = place / "data" / "captions_train.json"
    content = json.loads(path.read_text())
    content["annotations"][7]["image_id"] = 999
    path.write_text(json.dumps(content))


def no_json_but_a_picture(place: Path) -> None:
    shutil.copy(place / "images/val_40.jpg", place / "data/captions_val.json")


def other_captions(place: Path) -> None:
    """Training captions of other words."""
    names = [f"train_{i + 1}.jpg" for i in range(32)]
    write_captions(place / "data" / "captions_train.json", 1, names, [["a zebra in the kitchen", "a zebra"]] * 32)


def one_image_less(place: Path) -> None:
    """The test split lacks its last image, number 64."""
    names = [f"test_{i}.jpg" for i in range(49, 64)]
    write_captions(place / "data/captions_test.json", 49, names, [["a dog"]] * 15)


def other_features(place: Path, ids: list[int], width: int) -> None:
    shutil.rmtree(place / "features")
    write_features(place / "features", ids, [""] * len(ids), np.ones((len(ids), width)))


def other_width(place: Path) -> None:
    other_features(place, list(range(1, 65)), 12)


def some_features(place: Path) -> None:
    """Image 7 has none, nor have those of the test split from 50 on."""
    other_features(place, [*range(1, 7), *range(8, 50)], 16)


def no_features(place: Path) -> None:
    shutil.rmtree(place / "features")


def foreign_checkpoint(place: Path) -> None:
    Checkpoint({"model.w": torch.zeros(2)}, {"step": 1}).save(place / "ce" / "checkpoints" / "best.safetensors")


def pages_for_pictures(place: Path) -> None:
    """The first photograph is the web page of a server that did not find it."""
    (place / "images" / "train_1.jpg").write_text("<html>404 Not Found</html>")


def no_test_pictures(place: Path) -> None:
    for path in (place / "images").glob("test_*"):
        path.unlink()


def cut_test_pictures(place: Path) -> None:
    for path in (place / "images").glob("test_*"):
        os.truncate(path, 300)


def listing(place: Path) -> dict[str, bytes]:
    """Every file and folder below, with its bytes."""
    return {
        str(path.relative_to(place)): path.read_bytes() if path.is_file() else b"" for path in sorted(place.rglob("*"))
    }


def check_refused(ended: Ended, message: str) -> None:
    """Exit code 2 and one line that says `message`."""
    assert ended.err.startswith("error: "), ended.err
    assert ended.err.count("\n") == 1 and ended.err.endswith("\n"), ended.err
    assert message in ended.err
    assert ended.code == 2
