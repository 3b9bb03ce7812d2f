"""Two processes through accelerate's launcher, on the CPU over gloo: the curve, checkpoint and log of one process."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from programs import PATIENCE, ROOT, Programs, flags
from world import World

from probing_vlp.training.launch import asked_for

LAUNCH = [sys.executable, "-m", "accelerate.commands.launch", "--num_processes", "2"]
TWO = [
    *LAUNCH,
    "--multi_gpu",
    "--num_machines",
    "1",
    "--mixed_precision",
    "no",
    "--dynamo_backend",
    "no",
    "--main_process_port",
    "0",
]


def launch(command: list[str], program: list[str], folder: Path) -> "subprocess.Popen[str]":
    with open(folder / "launched.txt", "a") as log:
        return subprocess.Popen([*command, *program], cwd=ROOT, stdout=log, stderr=log, text=True)


def end(process: "subprocess.Popen[str]", folder: Path) -> None:
    assert process.wait(PATIENCE) == 0, (folder / "launched.txt").read_text()


def log_of(run: Path) -> list[dict[str, Any]]:
    """The whole lines of a log."""
    path = run / "log.jsonl"
    return [json.loads(line) for line in path.read_text().split("\n")[:-1]] if path.exists() else []


def check_same_curve(run: Path, alone: Path) -> None:
    """One log, the same numbers to 1e-4, one set of checkpoints and one TensorBoard file a start."""
    ours, theirs = log_of(run), log_of(alone)
    assert [row["step"] for row in ours] == [row["step"] for row in theirs]
    for row, expected in zip(ours, theirs, strict=True):
        assert row == pytest.approx(expected, abs=1e-4), row["step"]
    assert sorted(path.name for path in (run / "checkpoints").iterdir()) == ["best.safetensors", "last.safetensors"]


def test_ce_in_two_processes_killed_and_resumed_in_two_and_in_one(
    programs: Programs, world: World, tmp_path: Path
) -> None:
    alone, run, two, one = (tmp_path / name for name in ("alone", "run", "two", "one"))
    program = ["train.py", "ce", *flags({**world.captioner(), "epochs": 20, "validate_every": 8, "save_every": 3})]
    programs.run(*program, "--run", alone).succeeded()
    process = launch(
        [*LAUNCH, "--cpu"], [*program, "--run", str(run)], tmp_path
    )  # without --multi_gpu, as one would type it
    deadline = time.monotonic() + PATIENCE
    while len(log_of(run)) < 33:
        assert process.poll() is None and time.monotonic() < deadline, (tmp_path / "launched.txt").read_text()
        time.sleep(0.005)
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    workers = [
        p
        for p in family
        if str(run) in p.cmdline() and "train.py" in p.cmdline() and "--num_processes" not in p.cmdline()
    ]
    for each in family:
        each.kill()
    psutil.wait_procs(family, timeout=PATIENCE)
    process.wait()
    assert len(workers) == 2
    assert len(log_of(run)) < 80  # 20 epochs of 32 images, 8 a step
    assert len(list((run / "tensorboard").iterdir())) == 1
    shutil.copytree(run, one)
    run.rename(two)
    resumed = launch(TWO, [*program, "--run", str(two), "--resume"], tmp_path)
    programs.run(*program, "--run", one, "--resume").succeeded()
    end(resumed, tmp_path)
    for each in (one, two):
        check_same_curve(each, alone)


@pytest.mark.parametrize("baseline", ["greedy", pytest.param("leave-one-out", marks=pytest.mark.slow)])
def test_scst_in_two_processes(programs: Programs, world: World, trained: Path, tmp_path: Path, baseline: str) -> None:
    alone, run = tmp_path / "alone", tmp_path / "run"
    program = [
        "train.py",
        "scst",
        *flags(
            {
                **world.options(),
                "init": trained,
                "scorers": {"cider": 1.0},
                "baseline": baseline,
                "samples": 3,
                "batch_size": 8,
                "steps": 16,
                "validate_every": 8,
                "decoding.max_length": 10,
            }
        ),
    ]
    process = launch(TWO, [*program, "--run", str(run)], tmp_path)
    programs.run(*program, "--run", alone).succeeded()
    end(process, tmp_path)
    check_same_curve(run, alone)
    assert {"reward_mean", "kl", "entropy", "unscored"} <= log_of(run)[0].keys()


def test_bf16_is_close(programs: Programs, world: World, tmp_path: Path) -> None:
    options = {**world.captioner(), "captioner.dropout": 0, "epochs": 5}
    for precision in ("no", "bf16"):
        programs.run(
            "train.py", "ce", *flags({**options, "precision": precision, "run": tmp_path / precision})
        ).succeeded()
    exact, rounded = ([row["loss"] for row in log_of(tmp_path / precision)] for precision in ("no", "bf16"))
    assert rounded != exact
    assert rounded == pytest.approx(exact, rel=0.05)  # bfloat16 keeps 8 bits


def test_a_batch_that_cannot_be_shared(world: World, tmp_path: Path) -> None:
    program = ["train.py", "ce", *flags({**world.captioner(), "batch_size": 9, "run": tmp_path / "run"})]
    process = launch(TWO, program, tmp_path)
    assert process.wait(PATIENCE) != 0
    assert "error: --batch_size 9 cannot be shared by 2 processes" in (tmp_path / "launched.txt").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["launched.txt"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("accelerate launch --num_processes 2 train.py", 2),
        ("accelerate launch --num-processes=16 --cpu train.py", 16),
        ("accelerate launch --num_processes=3 train.py", 3),
        ("accelerate launch train.py", None),
        ("bash --num_processes", None),
    ],
)
def test_how_many_processes_were_asked_for(line: str, expected: int | None) -> None:
    assert asked_for(line.split()) == expected
