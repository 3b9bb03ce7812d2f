"""Checking and unpacking of downloaded zip files: a kill leaves nothing half-written, nothing is done twice."""

import fnmatch
import hashlib
import json
import os
import shutil
import stat
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from rich.progress import Progress, TaskID

from probing_vlp.errors import UserError
from probing_vlp.files import atomic_write, make_folder


@dataclass
class Bar:
    """One line of a progress display, which appears when first used; lengths in bytes."""

    progress: Progress
    description: str
    total: int = 0
    task: TaskID | None = field(default=None, init=False)

    def advance(self, length: int) -> None:
        """`length` bytes more are done."""
        self.progress.advance(self._shown(), length)

    def move_to(self, length: int) -> None:
        """`length` bytes are done in all."""
        self.progress.update(self._shown(), completed=length)

    def _shown(self) -> TaskID:
        if self.task is None:
            self.task = self.progress.add_task(self.description, total=self.total or None)
        return self.task


def checksum_of(path: Path, like: str, bar: Bar) -> str:
    """The file's checksum by the algorithm of `like`, as "md5:..." or "sha256:..."."""
    algorithm = like.partition(":")[0]
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
            bar.advance(len(chunk))
    return f"{algorithm}:{digest.hexdigest()}"


def unpack(archive: Path, out: Path, pattern: str, checksum: str, bar: Bar) -> None:
    """Unpack the members whose names match `pattern` into `out`, then leave a mark for `is_unpacked`.

    A file that is there with its full length is left alone, so an interrupted run goes on where it was.  Raises
    UserError for a damaged archive, one without such members, and one whose members would land outside `out`.
    """
    try:
        with zipfile.ZipFile(archive) as file:
            members = [info for info in file.infolist() if fnmatch.fnmatchcase(info.filename, pattern)]
            targets = [_target(archive, out, info) for info in members]
            bar.total = sum(info.file_size for info in members)
            for info, target in zip(members, targets, strict=True):
                if not (target.is_file() and target.stat().st_size == info.file_size):
                    _write_member(file, info, target)
                bar.advance(info.file_size)
    except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        raise UserError(
            f"{archive}: damaged or not a zip file ({error}); delete it and run the same command again"
        ) from None
    if not members:
        raise UserError(f"{archive}: holds no {pattern}; it is not the archive it should be")
    folders = Counter(str(target.parent.relative_to(out.resolve())) for target in targets)
    atomic_write(_mark(out, archive.name), json.dumps({"checksum": checksum, "files": folders}).encode())


def is_unpacked(out: Path, name: str, checksum: str) -> bool:
    """Whether archive `name` was unpacked into `out` and its files are still there, by their number."""
    try:
        mark = json.loads(_mark(out, name).read_bytes())
        return mark["checksum"] == checksum and all(
            sum(1 for entry in os.scandir(out / folder) if entry.is_file()) >= count
            for folder, count in mark["files"].items()
        )
    except (OSError, ValueError, KeyError):
        return False


def _mark(out: Path, name: str) -> Path:
    return out / f".{name}.done"


def _target(archive: Path, out: Path, info: zipfile.ZipInfo) -> Path:
    root = out.resolve()
    target = (root / info.filename).resolve()
    if not target.is_relative_to(root) or stat.S_ISLNK(info.external_attr >> 16):
        raise UserError(f"{archive}: member {info.filename!r} would be written outside {out}; nothing was unpacked")
    return target


def _write_member(file: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path) -> None:
    """The zip module checks the member's CRC when its last byte is read: before the rename."""
    make_folder(target.parent)
    aside = target.with_name(f".{target.name}.part")
    try:
        with file.open(info) as source, open(aside, "wb") as sink:
            shutil.copyfileobj(source, sink, 1 << 20)
        os.replace(aside, target)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
