"""What tests of whole programs share: a small world on disk, programs that run in it, and a captioner trained there."""

import os
import shutil
from pathlib import Path

import pytest
from programs import HELPERS, ROOT, Programs, flags
from world import World, make_world

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    folder = tmp_path_factory.mktemp("programs")
    return Programs(folder, {"PYTHONPATH": os.pathsep.join([str(HELPERS), os.environ["PYTHONPATH"]])})


@pytest.fixture(scope="session")
def trained(world: World, programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a captioner trained by cross-entropy; not to be written to."""
    run = tmp_path_factory.mktemp("trained") / "ce"
    options = {**world.captioner(), "run": run, "epochs": 30, "validate_every": 40}
    programs.run("train.py", "ce", *flags(options)).succeeded()
    return run


@pytest.fixture(scope="session")
def origin(world: World, trained: Path, programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, features, images, a trained captioner and its dump."""
    place = tmp_path_factory.mktemp("origin")
    for path in (world.data, world.features, world.images):
        shutil.copytree(path, place / path.name)
    shutil.copytree(trained, place / "ce")
    options = {**world.options(), "run": trained, "out": place / "test.jsonl"}
    programs.run("probe.py", "dump", *flags(options)).succeeded()
    return place


@pytest.fixture
def place(origin: Path, tmp_path: Path) -> Path:
    """A copy of `origin` to spoil."""
    return Path(shutil.copytree(origin, tmp_path / "place"))
