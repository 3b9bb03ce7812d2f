"""kill -9 at a drawn moment of CE, SCST, dump and features, then --resume: it ends as an uninterrupted run.

Each program is started, killed and resumed several times in a row before it may end: once it has written anything,
while a checkpoint is being written, and at drawn steps.  The uninterrupted run is a fresh interpreter.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from programs import Programs, flags
from world import World, make_world

from probing_vlp.checkpoints import Checkpoint
from probing_vlp.data.features import FeatureStore
from probing_vlp.dump import parse_record, read_dump

Condition = Callable[[], bool]


def killed_and_resumed(
    programs: Programs, command: list[str], moments: list[Condition], whole: Callable[[], None]
) -> int:
    """Run `command` to its end through a kill -9 at each of `moments`; `whole` looks at the files after each.

    Returns how many kills found the program alive.
    """
    killed = 0
    for number, moment in enumerate(moments):
        running = programs.start(*command, *(["--resume"] if number else []))
        killed += running.kill_when(moment)
        assert "Traceback" not in running.wait().err
        whole()
    programs.run(*command, "--resume").succeeded()
    whole()
    return killed


def lines_of(path: Path) -> int:
    try:
        return path.read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0


def training_moments(run: Path, steps: int, seed: int) -> list[Condition]:
    """The first sign of life, a drawn early step, a checkpoint half written, a drawn late step."""
    generator = np.random.default_rng(seed)
    early, late = int(generator.integers(1, steps // 3)), int(generator.integers(steps // 2, steps - 10))
    return [
        lambda: (run / "config.yaml").exists(),
        lambda: lines_of(run / "log.jsonl") >= early,
        lambda: any((run / "checkpoints").glob(".*.part")) and lines_of(run / "log.jsonl") > early,
        lambda: lines_of(run / "log.jsonl") >= late,
    ]


def check_run(run: Path) -> None:
    """Whatever there is can be read: each checkpoint, and each line of the log but one without an end."""
    for path in run.glob("checkpoints/*.safetensors"):
        assert Checkpoint.load(path).tensors
    if (run / "log.jsonl").exists():
        for line in (run / "log.jsonl").read_text().split("\n")[:-1]:
            json.loads(line)


def remains(run: Path) -> dict[str, bytes]:
    """Every file of a run by its name, but for TensorBoard's, whose lines carry the time."""
    return {
        str(path.relative_to(run)): path.read_bytes()
        for path in sorted(run.rglob("*"))
        if path.is_file() and path.parent.name != "tensorboard"
    }


def check_training(
    programs: Programs, program: list[str], options: dict[str, Any], steps: int, tmp_path: Path, seed: int
) -> None:
    run, kept = tmp_path / "run", tmp_path / "uninterrupted"
    command = [*program, *flags({**options, "run": run})]
    programs.run(*command, cold=True).succeeded()
    run.rename(kept)
    assert lines_of(kept / "log.jsonl") == steps
    assert killed_and_resumed(programs, command, training_moments(run, steps, seed), lambda: check_run(run)) >= 3
    assert (run / "log.jsonl").read_text() == (kept / "log.jsonl").read_text()
    for name in ("last", "best"):
        ours, theirs = (Checkpoint.load(folder / "checkpoints" / f"{name}.safetensors") for folder in (run, kept))
        assert ours.tensors.keys() == theirs.tensors.keys()
        assert [key for key in ours.tensors if not ours.tensors[key].equal(theirs.tensors[key])] == []
    assert remains(run) == remains(kept)


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow)])
def test_ce(programs: Programs, world: World, tmp_path: Path, seed: int) -> None:
    options = {**world.captioner(), "epochs": 20, "validate_every": 20, "save_every": 7}
    check_training(programs, ["train.py", "ce"], options, 80, tmp_path, seed)  # 20 epochs of 32 images, 8 a step


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow)])
def test_scst(programs: Programs, world: World, trained: Path, tmp_path: Path, seed: int) -> None:
    options = {
        **world.options(),
        "init": trained,
        "scorers": {"cider": 1.0},
        "baseline": "greedy" if seed % 2 else "leave-one-out",
        "samples": 3,
        "batch_size": 8,
        "steps": 60,
        "validate_every": 20,
        "save_every": 7,
        "decoding.max_length": 10,
        "learning_rate": 0.001,
    }
    check_training(programs, ["train.py", "scst"], options, 60, tmp_path, seed)


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_dump(programs: Programs, trained: Path, tmp_path: Path, seed: int) -> None:
    world = make_world(tmp_path / "world", {"train": 8, "val": 8, "test": 1500}, pictures=False)
    out = tmp_path / "test.jsonl"
    partial = tmp_path / ".test.jsonl.partial"
    command = [
        "probe.py",
        "dump",
        *flags({**world.options(), "run": trained, "out": out, "decoding.method": "sample", "scorers": ["cider"]}),
    ]
    programs.run(*command, cold=True).succeeded()
    kept = out.read_bytes()
    out.unlink()
    drawn = sorted(np.random.default_rng(seed).integers(1, 1400, 2).tolist())
    moments: list[Condition] = [partial.exists, *(lambda n=n: lines_of(partial) >= n for n in drawn)]

    def whole() -> None:
        if partial.exists():
            for number, line in enumerate(partial.read_text().split("\n")[1:-1], 2):
                parse_record(partial, number, line)
        if out.exists():
            read_dump(out)

    assert killed_and_resumed(programs, command, moments, whole) >= 2
    assert out.read_bytes() == kept
    assert len(read_dump(out).records) == 1500
    assert sorted(path.name for path in tmp_path.iterdir()) == ["test.jsonl", "world"]


def test_a_dump_that_is_there_keeps_its_scores(programs: Programs, world: World, trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "val.jsonl"
    options = {**world.options(), "run": trained, "out": out, "split": "val"}
    programs.run("probe.py", "dump", *flags(options)).succeeded()
    programs.run("probe.py", "score", "--dump", out, "--scorer", "cider", *flags(world.options())).succeeded()
    scored = out.read_bytes()
    done = programs.run("probe.py", "dump", *flags(options), "--resume").succeeded()
    assert "captions are there already" in done.out and out.read_bytes() == scored
    for other in ({"decoding.max_length": 5}, {"name": "other"}, {"scorers": ["planted-length"]}):
        again = programs.run("probe.py", "dump", *flags({**options, **other}), "--resume").succeeded()
        assert "there already" not in again.out and out.read_bytes() != scored
        out.write_bytes(scored)
    programs.run("probe.py", "dump", *flags(options)).succeeded()  # asked afresh: the scores go
    assert out.read_bytes() != scored


def test_features(programs: Programs, world: World, tmp_path: Path) -> None:
    """The writer alone, and a kill at a chosen row, are in test_features.py and test_extract.py."""
    out = tmp_path / "features"
    partial = tmp_path / "features.partial"
    command = [
        "probe.py",
        "features",
        *flags(
            {
                "data": world.data,
                "images": world.images,
                "backbone": "toy_scorers:backbone",
                "out": out,
                "batch_size": 2,
                "workers": 1,
                "device": "cpu",
            }
        ),
    ]
    programs.run(*command, cold=True).succeeded()
    kept = remains(out)
    out.rename(tmp_path / "uninterrupted")

    def rows() -> int:
        try:
            return int(json.loads((partial / "progress.json").read_bytes())["rows"])
        except FileNotFoundError:
            return 0

    drawn = sorted(np.random.default_rng(1).integers(1, 50, 2).tolist())
    moments: list[Condition] = [partial.exists, *(lambda n=n: rows() >= n for n in drawn)]

    def whole() -> None:
        if out.exists():
            FeatureStore.open(out)
        rows()

    assert killed_and_resumed(programs, command, moments, whole) >= 2
    assert remains(out) == kept
    assert not partial.exists()


def test_a_finished_run_is_left_as_it_is(programs: Programs, trained: Path, world: World) -> None:
    before = remains(trained)
    options = {**world.captioner(), "run": trained, "epochs": 30, "validate_every": 40}
    programs.run("train.py", "ce", *flags(options), "--resume").succeeded()
    assert remains(trained) == before
