"""Downloads from a local server that drops connections, ignores ranges, and serves errors and corrupt files."""

import hashlib
import io
import json
import os
import random
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from probing_vlp.data.download import ARCHIVES, Archive, DownloadConfig, download, run
from probing_vlp.data.unpack import is_unpacked
from probing_vlp.errors import UserError, report_user_errors

NOISE = random.Random(1)
PHOTOS = {f"val2014/{i}.jpg": NOISE.randbytes(80_000) for i in range(5)}


def zipped(members: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    return data.getvalue()


def listed(data: bytes, members: str = "val2014/*.jpg") -> Archive:
    return Archive(
        "val2014.zip", "coco", "zips/val2014.zip", len(data), 400_000, "md5:" + hashlib.md5(data).hexdigest(), members
    )


ZIP = zipped({**PHOTOS, "val2014/readme.txt": b"not wanted"})
ENTRY = listed(ZIP)


@dataclass
class Behaviour:
    """What the server does; `requests` is the log of (path, Range header)."""

    body: bytes = ZIP
    drop_after: int | None = None
    """Close the connection after so many bytes of each answer."""
    ranges: bool = True
    corrupt: int = 0
    """Answers still to be corrupted."""
    errors: list[int] = field(default_factory=list)
    """Status codes of the next answers."""
    hold: threading.Event | None = None
    """Wait for it in the middle of the body."""
    reached: threading.Event = field(default_factory=threading.Event)
    requests: list[tuple[str, str | None]] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    does: Behaviour

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.does.requests.append((self.path, wanted))
        if self.does.errors:
            return self.send_error(self.does.errors.pop(0))
        if self.path != "/zips/val2014.zip":
            return self.send_error(404)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.does.ranges else 0
        body = bytearray(self.does.body[start:])
        if self.does.corrupt:
            self.does.corrupt -= 1
            body[len(body) // 2] ^= 255
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(self.does.body) - 1}/{len(self.does.body)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.does.hold:
            self.wfile.write(body[:150_000])
            self.does.reached.set()
            self.does.hold.wait()
        else:
            self.wfile.write(body[: self.does.drop_after])
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def server() -> Iterator[tuple[Behaviour, str]]:
    does = Behaviour()
    handler = type("ThisHandler", (Handler,), {"does": does})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield does, f"http://127.0.0.1:{http.server_address[1]}"
        http.shutdown()
        thread.join()


@pytest.fixture
def config(server: tuple[Behaviour, str], tmp_path: Path) -> DownloadConfig:
    return DownloadConfig(out=str(tmp_path / "coco"), coco_url=server[1], karpathy_url=server[1], wait=0, retries=3)


@pytest.fixture
def does(server: tuple[Behaviour, str]) -> Behaviour:
    return server[0]


def names(config: DownloadConfig) -> list[str]:
    """All files below the target folder."""
    out = Path(config.out)
    return sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())


COMPLETE = sorted([".val2014.zip.done", *PHOTOS])


def assert_complete(config: DownloadConfig) -> None:
    assert names(config) == COMPLETE
    for name, content in PHOTOS.items():
        assert (Path(config.out) / name).read_bytes() == content


def test_download_and_unpack_once(config: DownloadConfig, does: Behaviour) -> None:
    download([ENTRY], config)
    assert_complete(config)
    download([ENTRY], config)
    assert does.requests == [("/zips/val2014.zip", None)]


def test_dropped_connections_go_on_where_they_were(config: DownloadConfig, does: Behaviour) -> None:
    does.drop_after = 100_000
    download([ENTRY], config)
    assert_complete(config)
    # 400 kB, 100 kB an answer at most: more drops than `retries` allows where an attempt brings nothing new
    starts = [int(wanted.removeprefix("bytes=").rstrip("-")) for _, wanted in does.requests[1:] if wanted]
    assert len(starts) == len(does.requests) - 1 > config.retries
    assert starts == sorted(starts)
    assert starts[0] > 0


def test_a_server_that_ignores_ranges(config: DownloadConfig, does: Behaviour) -> None:
    part = Path(config.out) / "val2014.zip.part"
    part.parent.mkdir()
    part.write_bytes(ZIP[:1000])
    does.ranges = False
    download([ENTRY], config)
    assert_complete(config)
    assert does.requests == [("/zips/val2014.zip", "bytes=1000-")]


def test_drops_without_ranges_end_after_some_attempts(config: DownloadConfig, does: Behaviour) -> None:
    does.ranges, does.drop_after = False, 150_000
    with pytest.raises(UserError, match="gave up after 4 attempts"):
        download([ENTRY], config)
    assert names(config) == ["val2014.zip.part"]


def test_a_corrupt_part_is_fetched_anew(config: DownloadConfig, does: Behaviour) -> None:
    part = Path(config.out) / "val2014.zip.part"
    part.parent.mkdir()
    part.write_bytes(b"x" * 1000)
    download([ENTRY], config)
    assert_complete(config)
    assert [wanted for _, wanted in does.requests] == ["bytes=1000-", None]


def test_a_file_that_is_corrupt_once(config: DownloadConfig, does: Behaviour) -> None:
    does.corrupt = 1
    download([ENTRY], config)
    assert_complete(config)
    assert len(does.requests) == 2


def test_a_file_that_is_always_corrupt_leaves_nothing(config: DownloadConfig, does: Behaviour) -> None:
    does.corrupt = 99
    with pytest.raises(UserError, match=r"zips/val2014.zip: came corrupt twice \(md5:.* should be md5:"):
        download([ENTRY], config)
    assert names(config) == []
    assert len(does.requests) == 2


def test_not_found_is_final(config: DownloadConfig, does: Behaviour) -> None:
    with pytest.raises(UserError, match=r"annotations_trainval2014\.zip: HTTP 404 Not Found"):
        run(replace(config, images=False))
    assert names(config) == []
    assert len(does.requests) == 1


def test_a_busy_server_is_asked_again(config: DownloadConfig, does: Behaviour) -> None:
    does.errors = [503, 429, 500]
    download([ENTRY], config)
    assert_complete(config)


def test_giving_up_keeps_the_part_for_the_next_time(config: DownloadConfig, does: Behaviour) -> None:
    part = Path(config.out) / "val2014.zip.part"
    part.parent.mkdir()
    part.write_bytes(ZIP[:200_000])
    does.errors = [503] * 4
    with pytest.raises(UserError, match=r"gave up after 4 attempts at byte 200000 .*HTTP 503.*run the same"):
        download([ENTRY], config)
    assert part.read_bytes() == ZIP[:200_000]
    download([ENTRY], config)
    assert_complete(config)


def test_another_file_under_the_same_address(config: DownloadConfig, does: Behaviour) -> None:
    does.body = b"<html>moved</html>"
    with pytest.raises(UserError, match=f"offers 18 bytes, the file has {len(ZIP)}"):
        download([ENTRY], config)
    assert names(config) == []


def test_no_server_and_no_address(config: DownloadConfig) -> None:
    with pytest.raises(UserError, match="gave up after 4 attempts at byte 0"):
        download([ENTRY], replace(config, coco_url="http://127.0.0.1:1"))
    with pytest.raises(UserError, match="check --coco_url"):
        download([ENTRY], replace(config, coco_url="images"))


def test_resume_false_starts_anew(config: DownloadConfig, does: Behaviour) -> None:
    download([ENTRY], config)
    download([ENTRY], replace(config, resume=False, keep_archives=True))
    assert len(does.requests) == 2
    assert names(config) == sorted([*COMPLETE, "val2014.zip"])


def test_deleted_photographs_come_again(config: DownloadConfig, does: Behaviour) -> None:
    download([ENTRY], config)
    (Path(config.out) / "val2014" / "3.jpg").unlink()
    download([ENTRY], config)
    assert_complete(config)


def test_space_is_checked_before_anything_is_asked_for(config: DownloadConfig, does: Behaviour) -> None:
    need = ENTRY.size + ENTRY.unpacked
    with pytest.raises(UserError, match=r"0\.0 GB are needed at the peak.*--images false"):
        download([ENTRY], replace(config, disk_limit=need - 1))
    assert does.requests == []
    assert names(config) == []
    part = Path(config.out) / "val2014.zip.part"
    part.write_bytes(ZIP[:1])  # one byte less to come
    download([ENTRY], replace(config, disk_limit=need - 1))
    assert_complete(config)


def test_the_paper_s_setting_needs_34_gb() -> None:
    # small archives first, each deleted when unpacked: 0.1 + 0.144 + 6.8 + 13.51 + 13.8 = 34.35 GB
    with pytest.raises(UserError, match=r"34\.4 GB"):
        run(DownloadConfig(out="/tmp", disk_limit=0))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full to fill up")
def test_a_full_disk_is_not_tried_again(
    config: DownloadConfig, does: Behaviour, capsys: pytest.CaptureFixture[str]
) -> None:
    part = Path(config.out) / "val2014.zip.part"
    part.parent.mkdir()
    part.symlink_to("/dev/full")
    with pytest.raises(SystemExit) as exit_, report_user_errors():
        download([ENTRY], config)
    assert exit_.value.code == 2
    assert capsys.readouterr().err.startswith("error: disk full")
    assert len(does.requests) == 1


def test_kill_and_run_again(config: DownloadConfig, does: Behaviour) -> None:
    does.hold = threading.Event()
    code = f"from probing_vlp.data.download import *\ndownload([{ENTRY!r}], {config!r})"
    process = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": os.getcwd()})
    try:
        assert does.reached.wait(60)
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        process.wait()
        does.hold.set()
    assert set(names(config)) <= {"val2014.zip.part"}
    does.hold = None
    download([ENTRY], config)
    assert_complete(config)


def test_unpacking_goes_on_where_it_was(config: DownloadConfig, does: Behaviour) -> None:
    folder = Path(config.out) / "val2014"
    folder.mkdir(parents=True)
    (folder / "0.jpg").write_bytes(PHOTOS["val2014/0.jpg"])
    before = (folder / "0.jpg").stat()
    (folder / "1.jpg").write_bytes(b"cut")
    (folder / ".2.jpg.part").write_bytes(b"half")
    (folder.parent / "val2014.zip").write_bytes(ZIP)
    assert not is_unpacked(folder.parent, ENTRY.name, ENTRY.checksum)
    download([ENTRY], config)
    assert_complete(config)
    assert (folder / "0.jpg").stat().st_mtime_ns == before.st_mtime_ns
    assert does.requests == []


def test_members_outside_the_folder_are_refused(config: DownloadConfig, does: Behaviour) -> None:
    link = zipfile.ZipInfo("val2014/link.jpg")
    link.external_attr = 0o120777 << 16
    for name in ("../evil.jpg", "/evil.jpg", "val2014/../../evil.jpg", link):
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w") as file:
            file.writestr("val2014/0.jpg", b"fine")
            file.writestr(name, b"/etc/passwd")
        does.body = data.getvalue()
        with pytest.raises(UserError, match="outside"):
            download([listed(does.body, "*")], replace(config, resume=False))
        assert names(config) == ["val2014.zip"]
        assert not (Path(config.out).parent / "evil.jpg").exists()


def test_a_damaged_member_is_not_left_half_written(config: DownloadConfig, does: Behaviour) -> None:
    does.body = ZIP.replace(PHOTOS["val2014/1.jpg"][:50], bytes(50))
    with pytest.raises(UserError, match=r"val2014.zip: damaged .*CRC"):
        download([listed(does.body)], config)
    assert names(config) == ["val2014.zip", "val2014/0.jpg"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"no zip at all", "not a zip file"),
        (zipped({"a": b""}), "holds no val2014"),
    ],
)
def test_not_the_archive(config: DownloadConfig, does: Behaviour, body: bytes, says: str) -> None:
    does.body = body
    with pytest.raises(UserError, match=says):
        download([listed(body)], config)


def test_the_table_names_every_file_of_the_setting() -> None:
    assert {archive.name: archive.path.rpartition("/")[2] for archive in ARCHIVES} == {a.name: a.name for a in ARCHIVES}
    lengths = {"md5": 32, "sha256": 64}
    assert all(len(digest) == lengths[kind] for kind, _, digest in (a.checksum.partition(":") for a in ARCHIVES))


def test_the_last_line_says_what_to_do_next(config: DownloadConfig, capsys: pytest.CaptureFixture[str]) -> None:
    out = Path(config.out)
    for archive in ARCHIVES[:2]:  # as an earlier run leaves it
        (out / "annotations").mkdir(parents=True, exist_ok=True)
        mark = {"checksum": archive.checksum, "files": {"annotations": 0}}
        (out / f".{archive.name}.done").write_text(json.dumps(mark))
    run(replace(config, images=False))
    assert capsys.readouterr().out.splitlines()[-1].endswith(f"--data.source {out / 'dataset_coco.json'}")
