"""A small world to report on: images, human captions, and two runs with logs and dumps."""

import json
from pathlib import Path
from typing import Any

from PIL import Image as Picture

from analysis import ANALYSES
from analysis.report.making import Report
from probing_vlp.dump import write_dump
from probing_vlp.records import CaptionRecord

ALL = list(ANALYSES)
IDS = (42, 73, 74, 133, 136)
CE = (
    "a dog on a couch",
    "a motorcycle in a field",
    "a white dog on a street",
    "a bed in a room",
    "two giraffes eat leaves",
)
EVIL = "a dog <script>alert('x')</script> & a dog"
SCST = (EVIL, "a image of a motorcycle", "a dog near a street near a dog", "a bed near a bed", "a giraffe near a wall")
BEFORE, AFTER = (0.30, 0.40, 0.35, 0.31, 0.38), (0.50, 0.45, None, 0.30, 0.48)


def name_of(image_id: int) -> str:
    return f"COCO_val2014_{image_id:012d}.jpg"


def dump_to(
    path: Path, name: str, captions: tuple[str, ...], scores: tuple[float | None, ...], **header: object
) -> Path:
    found = [
        CaptionRecord(key, text, name_of(key), tuple(text.split()), -5.0, {"mini-clip": score})
        for key, text, score in zip(IDS, captions, scores, strict=True)
    ]
    write_dump(path, {"name": name, "split": "test", "seed": 1, **header}, found)
    return path


def make_world(root: Path) -> Path:
    """Write the images, the human captions, the runs and their dumps under `root`; returns it."""
    (root / "images").mkdir()
    lines = ["file_name,caption,split,image_id"]
    for image_id, human in zip(IDS, CE, strict=True):
        Picture.new("RGB", (640, 480), (image_id, 90, 90)).save(root / "images" / name_of(image_id))
        lines += [f"{name_of(image_id)},{human.capitalize()}.,test,{image_id}"] * 2
    Picture.new("RGB", (8, 8)).save(root / "images" / "train.jpg")
    words = ("dog", "cat", "bed", "cup", "wall", "couch")
    lines += [f"train.jpg,a {word} on a table in a room,train,900" for word in words]
    (root / "captions.csv").write_text("\n".join(lines) + "\n")
    runs = {"ce": {"loss": 3.0, "val_cider": 0.5}, "mini": {"reward_mean": 0.4, "length": 9.0, "kl": 0.5}}
    for run_name, logged in runs.items():
        log = [{"step": step, **{key: value + step / 100 for key, value in logged.items()}} for step in range(1, 31)]
        (root / run_name).mkdir()
        text = "\n".join(map(json.dumps, log)) + '\n{"step": 31, "lo'
        (root / run_name / "log.jsonl").write_text(text)
    dump_to(root / "ce" / "dumps" / "test.jsonl", "CE", CE, BEFORE, run=str(root / "ce"), step=20, kind="ce")
    dump_to(
        root / "mini" / "dumps" / "test.jsonl",
        "to <b>mini</b>",
        SCST,
        AFTER,
        run=str(root / "mini"),
        kind="scst",
        mini_scorers=["mini-clip"],
        signature={"reward": {"mini-clip": 1.0}},
        config={"note": "<i>odd</i>"},
    )
    return root


def options(world: Path, out: Path, **changes: Any) -> Report:
    dumps = [world / name / "dumps" / "test.jsonl" for name in ("ce", "mini")]
    values = {
        "dumps": dumps,
        "data": f"{world / 'images'},{world / 'captions.csv'}",
        "corpus": "data",
        "photos": "click",
        "skip": ALL,
        "draws": 200,
        "out": out,
    }
    return Report(**{**values, **changes})
