"""Writing whole files, through a kill and a failure."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from probing_vlp.errors import UserError, check_least, report_user_errors
from probing_vlp.files import atomic_write, naming, read_bytes, sha256_file, sweep, write_together


def test_written_whole_with_its_folders(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file.bin"
    for content in (b"old", b"", b"new" * 100_000):
        atomic_write(path, content)
        assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_leaves_the_old_file_and_nothing_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    atomic_write(path, b"old")

    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        atomic_write(path, b"new")
    assert caught.value.filename == str(path)
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == {"file": b"old"}


def test_files_of_one_result_are_written_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_together({tmp_path / "a": b"1", tmp_path / "b": b"2"})
    (tmp_path / "c").mkdir()
    with pytest.raises(IsADirectoryError):
        write_together({tmp_path / "a": b"new", tmp_path / "c": b"new"})
    assert (tmp_path / "a").read_bytes() == b"1"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]


def test_a_place_without_room_for_folders() -> None:
    with pytest.raises(UserError, match="/proc/none/x: no folder can be made there"):
        atomic_write(Path("/proc/none/x/file"), b"")


def test_killed_at_any_moment_it_is_the_old_file_or_the_new(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from probing_vlp.files import atomic_write\n"
        "print('ready', flush=True)\n"
        "for i in range(10**9): atomic_write(Path(sys.argv[1]), bytes([i % 251]) * 200_000)"
    )
    path = tmp_path / "file"
    for _ in range(5):
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(path)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.getcwd()},
        )
        assert process.stdout and process.stdout.readline()
        while not path.exists():
            pass
        process.kill()
        process.wait()
        process.stdout.close()
        content = path.read_bytes()
        assert len(content) == 200_000 and len(set(content)) == 1
    atomic_write(path, b"last")
    assert [each.name for each in tmp_path.iterdir()] == ["file"]  # what the killed ones left is gone


def test_sweep_spares_the_living_and_other_files(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    names = [
        f".file.{dead.pid}.part",
        f".other.{dead.pid}.part",
        f".file.{os.getpid()}.part",
        ".file.part",
        ".file.x.part",
        "file",
    ]
    for name in names:
        (tmp_path / name).touch()
    sweep(tmp_path, "file")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names[1:])
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names[2:])


def test_what_cannot_be_read_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    assert read_bytes(tmp_path / "file", "thing", "make one") == b"x"
    with pytest.raises(UserError, match="none: no such thing; make one"):
        read_bytes(tmp_path / "none", "thing", "make one")
    with pytest.raises(UserError, match="is a folder, not a thing; make one"):
        read_bytes(tmp_path, "thing", "make one")
    with pytest.raises(UserError, match="none: no such thing"):
        read_bytes(tmp_path / "file" / "none", "thing", "make one")


def test_hash_of_a_file_longer_than_a_chunk(tmp_path: Path) -> None:
    content = os.urandom((1 << 20) + 17)
    (tmp_path / "file").write_bytes(content)
    assert sha256_file(tmp_path / "file") == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (UserError("a.json, line 3: not\nJSON;  mend it"), 2, "error: a.json, line 3: not JSON; mend it\n"),
        (
            OSError(28, "No space left on device", "/x/y"),
            2,
            "error: disk full while writing /x/y: free some space, then run the same command with --resume\n",
        ),
        (
            PermissionError(13, "Permission denied", "/x"),
            2,
            "error: /x: cannot be used (Permission denied); give another path\n",
        ),
        (
            NotADirectoryError(20, "Not a directory", "/x"),
            2,
            "error: /x: cannot be used (Not a directory); give another path\n",
        ),
        (
            OSError(36, "File name too long", "/x"),
            2,
            "error: /x: cannot be used (File name too long); give another path\n",
        ),
        (KeyboardInterrupt(), 130, "error: interrupted; run the same command with --resume to go on\n"),
    ],
)
def test_mistakes_are_one_line(error: BaseException, code: int, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop, report_user_errors():
        raise error
    assert (stop.value.code, *capsys.readouterr()) == (code, "", line)


@pytest.mark.parametrize("error", [ValueError("a bug"), OSError(5, "Input/output error"), ZeroDivisionError()])
def test_bugs_stay_bugs(error: Exception) -> None:
    with pytest.raises(type(error)), report_user_errors():
        raise error


def test_naming() -> None:
    with pytest.raises(OSError) as caught, naming(Path("/x/log")):
        raise OSError(28, "No space left on device")
    assert (caught.value.errno, caught.value.filename) == (28, "/x/log")


def test_check_least() -> None:
    class Config:
        size, share = 3, 0.0

    check_least(Config(), 3, "size")
    with pytest.raises(UserError, match=r"--share 0\.0: must be 0\.1 or more"):
        check_least(Config(), 0.1, "size", "share")
