"""A full disk, a real one: one line, nothing half-written, and --resume goes on once there is room."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from bad_places import CE, DUMP, FEATURES, REPORT, SCORE, SCST, UNIGRAMS, check_refused, words
from programs import Programs

from probing_vlp.checkpoints import Checkpoint

FINAL = (".jsonl", ".csv", ".json", ".html", ".npy", ".safetensors")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)]
    mount = subprocess.run(command, capture_output=True, text=True)
    if mount.returncode:
        pytest.skip(f"a small disk cannot be mounted here ({mount.stderr.strip()})")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def leave_free(disk: Path, size: int) -> Path:
    """Fill the disk but for `size` bytes; the file to delete later."""
    (disk / "filler").write_bytes(b"x" * (shutil.disk_usage(disk).free - size))
    return disk / "filler"


@pytest.mark.parametrize("command", [CE, SCST], ids=["ce", "scst"])
def test_training(command: str, disk: Path, place: Path, programs: Programs) -> None:
    command += " --save_every 1"
    programs.run(*words(command, place)).succeeded()
    weights = (place / "new/checkpoints/last.safetensors").stat().st_size
    run, here = disk / "new", words(command.replace("{}/new", f"{disk}/new"), place)
    for free in (0, 12288, weights // 2, weights + 16384):  # no room for config, log, a checkpoint, the next one
        filler = leave_free(disk, free)
        check_refused(programs.run(*here, *(["--resume"] if run.exists() else [])), "disk full while writing")
        for path in run.rglob("*"):
            assert path.suffix != ".part"
            if path.suffix == ".safetensors":
                Checkpoint.load(path)
        filler.unlink()
    programs.run(*here, "--resume").succeeded()
    assert (run / "log.jsonl").read_text() == (place / "new/log.jsonl").read_text()
    for kind in ("last", "best"):
        name = f"checkpoints/{kind}.safetensors"
        ours, theirs = Checkpoint.load(run / name).tensors, Checkpoint.load(place / "new" / name).tensors
        assert all(ours[key].equal(theirs[key]) for key in theirs)


SHORT_REPORT = REPORT + " --skip [metrics,perplexity,nouns]"
COMMANDS = {
    "dump": f"{DUMP} --resume",
    "score": SCORE,
    "features": f"{FEATURES} --resume",
    "report": SHORT_REPORT,
    "unigrams": UNIGRAMS,
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_other_commands(command: str, disk: Path, place: Path, programs: Programs) -> None:
    filler = leave_free(disk, 0)
    here = words(command.replace("{}/new", f"{disk}/new"), place)
    check_refused(programs.run(*here), "disk full while writing")
    assert [path for path in disk.rglob("*") if path.suffix in FINAL] == []
    filler.unlink()
    programs.run(*here).succeeded()
