"""What tests of whole programs share: a small world on disk, programs that run in it, and a captioner trained there."""

import os
from pathlib import Path

import pytest
from programs import TESTS, Programs, flags
from world import World, make_world

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["PYTHONPATH"] = os.pathsep.join([str(TESTS.parent), *filter(None, [os.environ.get("PYTHONPATH")])])


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    folder = tmp_path_factory.mktemp("programs")
    return Programs(folder, {"PYTHONPATH": os.pathsep.join([str(TESTS), os.environ["PYTHONPATH"]])})


@pytest.fixture(scope="session")
def trained(world: World, programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a captioner trained by cross-entropy; not to be written to."""
    run = tmp_path_factory.mktemp("trained") / "ce"
    options = {**world.captioner(), "run": run, "epochs": 30, "validate_every": 40}
    programs.run("train.py", "ce", *flags(options)).succeeded()
    return run
