"""The grid end to end on tiny models in the real formats: THINGS folders, DINOv2, Llama and Qwen3."""

import gzip
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from accelerate.state import AcceleratorState
from programs import ROOT
from taxonomy_models import save_dinov2, save_llama, save_qwen, save_things

from probing_vlp.errors import UserError
from probing_vlp.taxonomy.answers.items import read_items
from probing_vlp.taxonomy.model.grid import warn_of_captions
from probing_vlp.taxonomy.model.language_models import load_language_model
from probing_vlp.taxonomy.model.options import EncoderOptions, FitOptions, RunConfig
from probing_vlp.taxonomy.model.running import run

PAIRS = {
    "dog": ["animal", "mammal"],
    "cat": ["animal", "mammal"],
    "crow": ["animal", "bird"],
    "duck": ["animal", "bird"],
    "saw": ["tool"],
    "hammer": ["tool"],
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("grid")
    save_things(folder / "things", sorted(PAIRS))
    save_dinov2(folder / "dino")
    save_llama(folder / "llama")
    lines = [f"{leaf},{hypernym}" for leaf, above in PAIRS.items() for hypernym in above]
    (folder / "pairs.csv").write_text("\n".join(["leaf,hypernym", *lines]) + "\n")
    return folder


def config_of(place: Path, out: Path, **more: Any) -> RunConfig:
    return RunConfig(
        **{
            "images": str(place / "things"),
            "lm": str(place / "llama"),
            "out": str(out),
            "taxonomy": str(place / "pairs.csv"),
            "conditions": ["full", "random-30"],
            "maps": ["original"],
            "lms": ["pretrained", "random"],
            "seeds": [1],
            "encoder": EncoderOptions(str(place / "dino")),
            "features": str(place / "features"),
            "standardise": True,
            "fit": FitOptions(steps=3, batch_size=16, together=4),
            "device": "cpu",
            **more,
        }
    )


def files(out: Path) -> dict[str, bytes]:
    kept = ("features.json", "config.yaml", "log.jsonl")  # paths and seconds
    return {
        str(p.relative_to(out)): p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file() and p.name not in kept
    }


@pytest.fixture(scope="module")
def done(place: Path) -> Path:
    run(config_of(place, place / "done"))
    return place / "done"


def test_a_run_leaves_answers_manifests_and_coherence(done: Path) -> None:
    names = [f"{lm}.{condition}.original.1" for lm in ("pretrained", "random") for condition in ("full", "random-30")]
    assert sorted(path.name for path in (done / "cells").iterdir()) == names
    items = read_items(done / "items.csv.gz")
    assert list(dict.fromkeys(items["run"])) == [name.replace(".", "/") for name in names]
    # two of eight images of six leaves are tested on; a "Yes" and a "No" each
    leaves = items[(items["test"] == "leaves") & (items["run"] == "pretrained/full/original/1")]
    assert len(leaves) == 2 * 6 * 2 and (leaves["gold"] == "Yes").sum() == 12
    full = items[items["condition"] == "full"]
    assert set(full["test"]) == {"leaves", "held-out"}
    assert set(items[items["condition"] == "random-30"]["test"]) == {"leaves", "held-out", "seen"}
    assert ((items["logp_yes"] >= items["logp_no"]) == (items["prediction"] == "Yes")).all()
    assert (items["logp_yes"] < 0).all() and set(items["encoder"]) == {items["encoder"].iloc[0]}
    manifests = [json.loads((done / "cells" / name / "manifest.json").read_text()) for name in names]
    assert all(m["language_model"]["sha256"] == m["language_model"]["sha256_after"] for m in manifests)
    assert manifests[0]["language_model"]["sha256"] == manifests[1]["language_model"]["sha256"]
    assert len({m["language_model"]["sha256"] for m in manifests}) == 2
    assert manifests[0]["condition"]["ablated"] == 100 and manifests[0]["steps"] == 3
    rows = (done / "coherence.csv").read_text().splitlines()
    assert rows[0].startswith("encoder,map,seed,label,n,coherence,coherence_low,coherence_high,centred")
    # five of eight images of a leaf (int(0.7 * 8)) train; animal: dog, cat, crow, duck
    assert [row.split(",")[1:5] for row in rows[1:]] == [
        ["original", "1", label, str(n)] for label, n in (("animal", 20), ("bird", 10), ("mammal", 10), ("tool", 10))
    ]


def test_finished_cells_are_not_done_again_and_lost_ones_come_back_the_same(place: Path, done: Path) -> None:
    out = shutil.copytree(done, place / "again")
    before = files(out)
    (out / "cells" / "random.full.original.1" / "manifest.json").unlink()
    shutil.rmtree(out / "cells" / "pretrained.random-30.original.1")
    untouched = out / "cells" / "pretrained.full.original.1" / "items.csv.gz"
    at = untouched.stat().st_mtime_ns
    run(config_of(place, out))
    assert files(out) == before and untouched.stat().st_mtime_ns == at
    assert len((out / "log.jsonl").read_text().splitlines()) == 4 + 2


@pytest.mark.slow
def test_cells_in_processes_are_the_same(place: Path, done: Path) -> None:
    run(config_of(place, place / "side", processes=2, conditions=["full"]))
    there, here = files(place / "side"), files(done)
    assert {name: data for name, data in here.items() if ".full." in name} == {
        name: data for name, data in there.items() if ".full." in name
    }


def test_the_papers_setting_with_qwen(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AcceleratorState, "_shared_state", {})  # a process computes in one precision for life
    save_qwen(place / "qwen")
    config = config_of(
        place,
        place / "paper",
        lm=str(place / "qwen"),
        conditions=["random-30", "systematic-1"],
        maps=["within_paper"],
        lms=["random"],
        removal="union",
        systematic="folder",
        negatives="fixed",
        share_projector=True,
        standardise=False,
        precision="bf16",
        keep_random=True,
        most=5,
        fit=FitOptions(epochs=1, batch_size=16, accumulate=2, save_every=2),
    )
    run(config)
    manifest = json.loads((place / "paper/cells/random.random-30.within_paper.1/manifest.json").read_text())
    assert manifest["condition"]["rule"] == "union" and manifest["language_model"]["dtype"] == "bfloat16"
    assert manifest["tests"]["leaves"] == {"asked": 5, "there": 24}
    assert not list((place / "paper").rglob("state.safetensors"))
    kept = load_language_model(str(place / "paper" / "random-lms" / "1"), dtype="bfloat16")
    assert kept.described["sha256"] == manifest["language_model"]["sha256"]
    items = gzip.decompress((place / "paper" / "items.csv.gz").read_bytes()).decode().splitlines()
    assert len(items) > 10


def test_a_run_of_other_options_is_refused(place: Path, done: Path) -> None:
    with pytest.raises(UserError) as error:
        run(config_of(place, done, projector="fused-gelu-mlp", fit=FitOptions(steps=4, batch_size=16, together=4)))
    assert str(error.value) == (
        f"{done}: was begun with other options (fit.steps: 3, projector: auto); give the same, as in "
        f"{done / 'config.yaml'}, or another --out"
    )
    with pytest.raises(UserError, match="holds a run already"):
        run(config_of(place, done, resume=False))


def test_a_cell_of_another_taxonomy_is_refused(place: Path, done: Path) -> None:
    out = shutil.copytree(done, place / "other")
    path = out / "cells" / "random.full.original.1" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["condition"]["taxonomy"]["signature"] = "0" * 64
    path.write_text(json.dumps(manifest))
    with pytest.raises(UserError, match=r"manifest.json: made with another taxonomy"):
        run(config_of(place, out))


def test_a_cell_of_other_weights_is_refused(place: Path, done: Path) -> None:
    out = shutil.copytree(done, place / "retrained")
    path = out / "cells" / "pretrained.full.original.1" / "manifest.json"
    path.write_text(path.read_text().replace('"sha256": "', '"sha256": "0'))
    with pytest.raises(UserError, match=r"manifest.json: made with another language model;"):
        run(config_of(place, out))


def test_a_cell_of_other_images_is_refused(place: Path, done: Path) -> None:
    out = shutil.copytree(done, place / "divided")
    path = out / "cells" / "pretrained.full.original.1" / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps(manifest | {"images": "0" * 64}))
    with pytest.raises(UserError, match=r"manifest.json: made with another division of images;"):
        run(config_of(place, out))


def test_a_model_that_may_have_read_the_captions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "lm").mkdir()
    for without, images, warned in (("", "a.json", True), ("b.json", "a.json", True), ("a.json", "a.json", False)):
        (tmp_path / "lm" / "knowledge.json").write_text(json.dumps({"config": {"without": without}}))
        warn_of_captions(RunConfig(images=images, lm=str(tmp_path / "lm")))
        assert ("may have read those of a.json" in capsys.readouterr().err) is warned
    warn_of_captions(RunConfig(images=str(tmp_path), lm=str(tmp_path / "lm")))  # folders, no captions
    assert not capsys.readouterr().err


def test_options_that_cannot_be_encoded_with_bind_nobody(place: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--encoder.grid 9"):
        run(config_of(place, tmp_path / "out", encoder=EncoderOptions(grid=9)))
    assert not (tmp_path / "out" / "config.yaml").exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"images": ""}, "--images is missing"),
        ({"lm": ""}, "--lm is missing"),
        ({"lm": "./absent"}, "absent: no such folder"),
        ({"images": "./absent"}, "./absent: no such folder of images"),
        ({"encoder": EncoderOptions("dino9")}, "unknown image encoder 'dino9'"),
        ({"conditions": ["half"]}, "condition 'half'"),
        ({"insert_after": 60}, "--insert_after 60: a question has"),
        ({"conditions": ["systematic-9"]}, "systematic-9: "),
        ({"device": "abacus"}, "--device abacus: "),
    ],
)
def test_bad_options_leave_no_cells(place: Path, tmp_path: Path, more: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as error:
        run(config_of(place, tmp_path / "out", **more))
    assert str(error.value).startswith(said) and "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"maps": ["sideways"]}, "--maps sideways: is none of original"),
        ({"lms": ["tuned"]}, "--lms tuned: is none of pretrained, random"),
        ({"seeds": []}, r"--seeds \[\]: give one or more"),
        ({"seeds": [1, 1]}, r"--seeds \[1, 1\]: give one or more, none twice"),
        ({"seeds": [-1]}, r"--seeds \[-1\]: .* no seed below 0"),
        ({"processes": 0}, "--processes 0: must be 1 or more"),
    ],
)
def test_bad_values_are_refused_at_once(more: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        replace(RunConfig(), **more)


@pytest.mark.slow
def test_two_processes_under_accelerate_share_a_cell(place: Path, done: Path) -> None:
    """The same answers but for the order of sums."""
    options = vars(config_of(place, place / "shared", conditions=["full"], lms=["pretrained"]))
    program = (
        "from pathlib import *; from probing_vlp.taxonomy.model.options import *\n"
        "from probing_vlp.taxonomy.model.running import run\n"
        f"run(RunConfig(**{options!r}))"
    )
    (place / "program.py").write_text(program)
    words = (
        "--multi_gpu --num_processes 2 --num_machines 1 --mixed_precision no --dynamo_backend no --main_process_port 0"
    )
    launch = [sys.executable, "-m", "accelerate.commands.launch", *words.split(), str(place / "program.py")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    told = subprocess.run(launch, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert told.returncode == 0, told.stderr[-2000:]
    one, two = (read_items(out / "cells/pretrained.full.original.1/items.csv.gz") for out in (done, place / "shared"))
    assert list(one["image"]) == list(two["image"])
    assert one["logp_yes"].to_numpy() == pytest.approx(two["logp_yes"].to_numpy(), abs=2e-3)
