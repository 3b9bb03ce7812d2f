"""Writing so that a kill or a full disk leaves the old file or the new one, never half of one."""

import errno
import glob
import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from probing_vlp.errors import UserError


def atomic_write(path: Path, data: bytes) -> None:
    """Write aside, flush to disk, rename over `path`; parent folders are made.  An OSError names `path`."""
    write_together({path: data})


def write_together(files: Mapping[Path, bytes]) -> None:
    """Write files that belong to one result: all of them aside, then each renamed to its place, or none."""
    asides = {path: path.with_name(f".{path.name}.{os.getpid()}.part") for path in files}
    try:
        for path, data in files.items():
            make_folder(path.parent)
            sweep(path.parent, path.name)
            with naming(path):
                if path.is_dir():
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
                with open(asides[path], "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
        for path, aside in asides.items():
            with naming(path):
                os.replace(aside, path)
    except BaseException:
        for aside in asides.values():
            with suppress(OSError):
                aside.unlink(missing_ok=True)
        raise


def make_folder(folder: Path) -> None:
    """Make a folder and those above it; UserError where the system has no room for any, such as /proc."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileNotFoundError as error:
        raise UserError(f"{folder}: no folder can be made there ({error.strerror}); give another path") from None


def nearest(path: Path) -> tuple[Path, str]:
    """What of a path exists, itself or above it, and why no file can be made there; "" if one can.

    It is tried: root is told yes by `os.access` even of /proc.
    """
    place = next(each for each in (path.absolute(), *path.absolute().parents) if each.exists())
    try:
        tempfile.TemporaryFile(dir=place).close()
    except OSError as error:
        return place, error.strerror or str(error)
    return place, ""


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """An OSError of what is written inside says that it was `path`."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


def sweep(folder: Path, name: str = "") -> None:
    """Remove what writers of `name` (of any file) left in `folder` when they were killed."""
    for left in folder.glob(f".{glob.escape(name) or '*'}.*.part"):
        pid = left.suffixes[-2][1:] if len(left.suffixes) > 1 else ""
        if pid.isdecimal() and not _lives(int(pid)):
            left.unlink(missing_ok=True)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def cache_dir() -> Path:
    """The folder for what can be made again, $PROBING_VLP_CACHE or ~/.cache/probing_vlp; made when something is
    written."""
    return Path(os.environ.get("PROBING_VLP_CACHE") or "~/.cache/probing_vlp").expanduser()


def read_bytes(path: Path, what: str, remedy: str) -> bytes:
    """The file's bytes, or a UserError that names `what` was looked for and the `remedy`."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{path}: no such {what}; {remedy}") from None
    except IsADirectoryError:
        raise UserError(f"{path}: is a folder, not a {what}; {remedy}") from None


def sha256_file(path: Path) -> str:
    """Hex digest of a file, read in chunks of 1 MiB."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_tree(path: Path) -> str:
    """Hex digest of a file, or of the names and contents of all files of a folder."""
    if path.is_file():
        return sha256_file(path)
    inside = sorted(file for file in path.rglob("*") if file.is_file())
    told = "".join(f"{file.relative_to(path).as_posix()} {sha256_file(file)}\n" for file in inside)
    return hashlib.sha256(told.encode()).hexdigest()
