"""Download MS COCO 2014 and Karpathy's split of it: the paper's full setting.

    python -m probing_vlp.data.download coco --out data/coco

An archive comes as NAME.part, goes on where a dropped connection or a kill left it, takes its own name once size and
checksum are right, and is unpacked file by file into

    OUT/train2014/ OUT/val2014/ OUT/annotations/captions_{train,val}2014.json OUT/dataset_coco.json

The same command again does only what is left to do.
"""

import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import requests
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from probing_vlp.cli import Command, main
from probing_vlp.data.unpack import Bar, checksum_of, is_unpacked, unpack
from probing_vlp.errors import UserError
from probing_vlp.files import make_folder

CHUNK = 1 << 16


@dataclass(frozen=True)
class Archive:
    """A zip file: `size` and `unpacked` in bytes, `checksum` as "md5:..." or "sha256:..."."""

    name: str
    server: str
    """Which base address serves it: "coco" or "karpathy"."""
    path: str
    size: int
    unpacked: int
    checksum: str
    members: str
    """What to unpack: a pattern for the names in the archive."""


ARCHIVES = (
    Archive(
        "annotations_trainval2014.zip",
        "coco",
        "annotations/annotations_trainval2014.zip",
        252_872_794,
        100_000_000,
        "md5:0a379cfc70b0e71301e0f377548639bd",
        "annotations/captions_*.json",
    ),
    Archive(
        "caption_datasets.zip",
        "karpathy",
        "caption_datasets.zip",
        36_745_453,
        144_186_139,
        "sha256:4cfd70132527b80933105e5829dc9034eaab9573482e2e680abbab6130244817",
        "dataset_coco.json",
    ),
    Archive(
        "val2014.zip",
        "coco",
        "zips/val2014.zip",
        6_645_013_297,
        6_800_000_000,
        "md5:a3d79f5ed8d289b7a7554ce06a5782b3",
        "val2014/*.jpg",
    ),
    Archive(
        "train2014.zip",
        "coco",
        "zips/train2014.zip",
        13_510_573_713,
        13_800_000_000,
        "md5:0da8c0bd3d6becc4dcb32757491aca88",
        "train2014/*.jpg",
    ),
)


@dataclass(frozen=True)
class DownloadConfig:
    """Options of the download."""

    out: str = "data/coco"
    """Folder for the images and the caption files."""
    images: bool = True
    """Download the photographs too (20 GB); without them only captions and splits come (0.3 GB)."""
    keep_archives: bool = False
    """Keep the zip files after unpacking."""
    resume: bool = True
    """Go on with what is there; false downloads and unpacks everything anew."""
    retries: int = 6
    """Failed attempts in a row, without a new byte, before giving up."""
    wait: float = 1.0
    """Seconds before the second attempt; doubled each time, 60 at most."""
    timeout: float = 60.0
    """Seconds without an answer or a byte that count as a dropped connection."""
    disk_limit: int | None = None
    """Use no more than this many bytes of the disk, however much is free."""
    coco_url: str = "http://images.cocodataset.org"
    """Base address of the COCO archives, for a mirror."""
    karpathy_url: str = "https://cs.stanford.edu/people/karpathy/deepimagesent"
    """Base address of caption_datasets.zip, for a mirror."""


def run(config: DownloadConfig) -> None:
    """Download and unpack all that is missing, then say what to do next."""
    download(ARCHIVES if config.images else ARCHIVES[:2], config)
    table = Path(config.out) / "dataset_coco.json"
    photographs = f" --data.images {config.out}" if config.images else ""
    print(
        f"COCO 2014 is complete in {config.out}.  Next: extract features, then train, both with --data.source {table}"
        f"{photographs}"
    )


def download(archives: Sequence[Archive], config: DownloadConfig) -> None:
    """Bring `archives` into `config.out`, unpacked.  UserError for lack of space, a refusing server, a corrupt file."""
    out = Path(config.out)
    make_folder(out)
    if not config.resume:
        for archive in archives:
            for name in (archive.name, archive.name + ".part", f".{archive.name}.done"):
                (out / name).unlink(missing_ok=True)
    left = [archive for archive in archives if not is_unpacked(out, archive.name, archive.checksum)]
    check_space(left, config)
    with (
        Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        ) as progress,
        requests.Session() as session,
    ):
        for archive in left:
            target = out / archive.name
            if not target.exists():
                fetch(archive, target, config, session, progress)
            unpack(target, out, archive.members, archive.checksum, Bar(progress, f"{archive.name}: unpack"))
            if not config.keep_archives:
                target.unlink()


def check_space(archives: Sequence[Archive], config: DownloadConfig) -> None:
    """UserError unless the disk holds the archives, one after the other, with what is unpacked from them."""
    out = Path(config.out)
    kept = peak = 0
    for archive in archives:
        there = _length(out / archive.name) + _length(_part(out / archive.name))
        unpacked = max(0, archive.unpacked - sum(map(_length, out.glob(archive.members))))
        peak = max(peak, kept + archive.size - there + unpacked)
        kept += unpacked - there + (archive.size if config.keep_archives else 0)
    free = shutil.disk_usage(out).free
    if config.disk_limit is not None:
        free = min(free, config.disk_limit)
    if peak > free:
        raise UserError(
            f"{out}: {peak / 1e9:.1f} GB are needed at the peak, {free / 1e9:.1f} GB may be used; free "
            "some space, give another --out, or leave the photographs out with --images false"
        )


def fetch(
    archive: Archive, target: Path, config: DownloadConfig, session: requests.Session, progress: Progress
) -> None:
    """Download to NAME.part and rename it to `target` once it is verified; a corrupt file is fetched anew, once."""
    url = f"{config.coco_url if archive.server == 'coco' else config.karpathy_url}/{archive.path}"
    part = _part(target)
    bar = Bar(progress, f"{archive.name}: download", archive.size)
    for _ in range(2):
        _fill(part, url, archive.size, config, session, bar)
        found = checksum_of(part, archive.checksum, Bar(progress, f"{archive.name}: verify", archive.size))
        if found == archive.checksum:
            with open(part, "ab") as file:
                os.fsync(file.fileno())
            part.rename(target)
            return
        part.unlink()
    raise UserError(
        f"{url}: came corrupt twice ({found}, should be {archive.checksum}); try again later, or another "
        "server with --coco_url or --karpathy_url"
    )


def _fill(part: Path, url: str, size: int, config: DownloadConfig, session: requests.Session, bar: Bar) -> None:
    """Repeat requests until `part` has `size` bytes."""
    failures, best = 0, _length(part)
    while _length(part) != size:
        try:
            _request(part, url, size, config, session, bar)
            reason = "the body ended early"
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            reason = str(error)
        except requests.RequestException as error:
            raise UserError(f"{url}: cannot be asked for ({error}); check --coco_url and --karpathy_url") from None
        failures, best = (0, _length(part)) if _length(part) > best else (failures + 1, best)
        if failures > config.retries:
            raise UserError(
                f"{url}: gave up after {failures} attempts at byte {_length(part)} of {size} ({reason}); "
                "run the same command again to go on from there"
            )
        if failures:
            time.sleep(min(config.wait * 2 ** (failures - 1), 60))


def _request(part: Path, url: str, size: int, config: DownloadConfig, session: requests.Session, bar: Bar) -> None:
    """One request for what `part` lacks; what comes before a dropped connection is kept."""
    have = _length(part) if _length(part) < size else 0
    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
    with session.get(url, headers=headers, stream=True, timeout=config.timeout) as response:
        if response.status_code in (408, 416, 429) or response.status_code >= 500:
            if response.status_code == 416:
                part.unlink(missing_ok=True)
            raise requests.ConnectionError(f"HTTP {response.status_code} {response.reason}")
        if response.status_code not in (200, 206):
            raise UserError(
                f"{url}: HTTP {response.status_code} {response.reason}; check the address (--coco_url, --karpathy_url)"
            )
        # a server that ignores Range sends the whole file again, from byte 0
        resumed = response.status_code == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        offered = int(response.headers.get("Content-Length", size)) + (have if resumed else 0)
        if offered != size:
            raise UserError(f"{url}: the server offers {offered} bytes, the file has {size}; it is not the same file")
        with open(part, "ab" if resumed else "wb") as file:
            bar.move_to(have if resumed else 0)
            for chunk in response.iter_content(CHUNK):
                file.write(chunk)
                bar.advance(len(chunk))


def _part(target: Path) -> Path:
    return target.with_name(f"{target.name}.part")


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


if __name__ == "__main__":
    main(
        "python -m probing_vlp.data.download",
        __doc__,
        {"coco": Command(DownloadConfig, run, "MS COCO 2014: photographs, captions, Karpathy's split")},
    )
