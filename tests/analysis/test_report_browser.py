"""The report in headless Chromium: console, overflow, search."""

from pathlib import Path

import pytest
from chromium import Browser, find_chromium
from report_world import ALL, make_world, options

from analysis.report.making import run

NO_BROWSER = find_chromium() is None
pytestmark = pytest.mark.skipif(NO_BROWSER, reason="no Chromium on PATH; Debian: apt-get install chromium")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def page(world: Path) -> str:
    """Address of a report whose photographs wait for a click."""
    run(options(world, world / "browser", skip=[name for name in ALL if name != "unigrams"]))
    return (world / "browser" / "index.html").as_uri()


def test_page_shows_everything_without_an_error(page: str, tmp_path: Path) -> None:
    with Browser(tmp_path) as browser:
        browser.open(page)
        assert browser.run("document.querySelectorAll('table').length") >= 4
        assert browser.run("document.querySelectorAll('svg.chart').length") >= 5
        captions = browser.run("[...document.querySelectorAll('dd')].map(e => e.textContent)")
        assert captions.count("a bed near a bed") == 1
        assert browser.run("[...document.querySelectorAll('svg.chart')].every(e => e.clientHeight > 50)")
        assert browser.run("[...document.querySelectorAll('table')].every(e => e.caption.textContent.trim())")
        assert browser.errors == []


@pytest.mark.parametrize("width", [360, 390, 768, 1280])
def test_nothing_runs_over_the_edge(page: str, tmp_path: Path, width: int) -> None:
    with Browser(tmp_path, width) as browser:
        browser.open(page)
        assert browser.run("document.documentElement.scrollWidth") <= width
        assert browser.errors == []


def test_the_search_finds_sorts_and_filters(page: str, tmp_path: Path) -> None:
    def ask(**values: str) -> list[str]:
        for key, value in values.items():
            control = f"document.getElementById('{key}')"
            browser.run(f"{control}.value = '{value}'; {control}.dispatchEvent(new Event('input'))")
        found: list[str] = browser.run("[...document.querySelectorAll('#cards > li > .who')].map(e => e.textContent)")
        assert browser.run("document.getElementById('found').textContent").startswith(f"{len(found)} of 5 photographs")
        return [text.split()[1] for text in found]

    with Browser(tmp_path) as browser:
        browser.open(page)
        assert ask() == ["42", "73", "74", "133", "136"]
        assert ask(find="DOG near") == ["74"]  # in the second dump's caption
        assert ask(whose="0") == [] and ask(find="dog") == ["42", "74"]
        assert ask(find="<script>", whose="") == ["42"]
        # gains: 42 +.20, 136 +.10, 73 +.05, 133 -.01; 74 was not scored and comes last either way
        assert ask(find="", order="-1") == ["42", "136", "73", "133", "74"]
        assert ask(order="+1") == ["133", "73", "136", "42", "74"]
        assert browser.errors == []


def test_photographs_are_asked_for_by_the_button_only(page: str, tmp_path: Path) -> None:
    with Browser(tmp_path) as browser:
        browser.open(page)
        assert browser.run("document.querySelectorAll('article img').length") == 0
        assert not browser.run("document.getElementById('photo-control').hidden")
        requested = "performance.getEntriesByType('resource').map(e => e.name).filter(e => e.startsWith('http'))"
        assert browser.run(requested) == []
        # a picture in place of COCO's, so that the test needs no network
        browser.run("""document.querySelectorAll('.photo').forEach(e => e.dataset.url =
            'data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==')""")
        browser.run("document.querySelector('#photo-control button').click()")
        count = """new Promise(done => { const look = () => document.querySelectorAll('article img').length == 3 ?
            done(3) : setTimeout(look, 5); look(); })"""
        assert browser.run(count) == 3
        assert browser.run("[...document.querySelectorAll('article img')].every(e => e.alt.startsWith('Photograph: '))")
        assert browser.errors == []


def test_the_console_watch_sees_an_error(tmp_path: Path) -> None:
    (tmp_path / "bad.html").write_text("<!doctype html><script>console.error('seen')</script><img src='missing.png'>")
    with Browser(tmp_path / "profile") as browser:
        browser.open((tmp_path / "bad.html").as_uri())
        assert "seen" in str(browser.errors) and "missing.png" in str(browser.errors)
