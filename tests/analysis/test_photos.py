"""Photographs of a report: found, made small, or left out with a reason."""

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from report_world import make_world, name_of

from analysis.report import photos
from probing_vlp import records


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture
def coco_server(world: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[http.server.ThreadingHTTPServer]:
    """A local server in the place of COCO's."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(world / "images"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(records, "COCO_URL", f"http://127.0.0.1:{server.server_port}/{{file_name}}")
    yield server
    server.shutdown()
    server.server_close()


def test_photographs_are_fetched_once_where_the_server_answers(coco_server: http.server.ThreadingHTTPServer) -> None:
    images = [records.Image(key, name_of(key), "test") for key in (42, 73)]
    found = photos.find_photos([*images, records.Image(1, "mine.jpg", "test")], "auto", None)
    assert [(photo.width, photo.height) for photo in found] == [(320, 240), (320, 240), (0, 0)]
    assert found[0].source.startswith("data:image/jpeg;base64,") and found[2].url == ""


def test_photographs_wait_for_a_click_where_it_does_not(coco_server: http.server.ThreadingHTTPServer) -> None:
    images = [records.Image(key, name_of(key), "test") for key in (999, 42)]
    first, second = photos.find_photos(images, "auto", None)
    # 999 is not there: the server is asked no more
    assert first.source == second.source == "" and second.url.endswith(name_of(42))


def test_url_and_click_and_none() -> None:
    images = [records.Image(42, name_of(42), "test")]
    url = f"http://images.cocodataset.org/val2014/{name_of(42)}"
    shown = {policy: photos.find_photos(images, policy, None)[0] for policy in get_args(photos.Policy)[1:]}
    assert [(photo.source, photo.url) for photo in shown.values()] == [(url, url), ("", url), ("", "")]
