"""The page of a sibling probe: whole, safe, offline, its tables and figures beside it."""

from pathlib import Path

import pytest
from chromium import Browser, find_chromium
from markupsafe import Markup
from matplotlib.figure import Figure

from probing_vlp.errors import UserError
from probing_vlp.pages.drawing import Drawing, Palette
from probing_vlp.pages.probe_page import ProbePage, Section, render, write_report
from probing_vlp.pages.tables import Cell, Line, Table


def draw(palette: Palette) -> Figure:
    figure = Figure((4, 2))
    figure.subplots().plot([0, 1], color=palette.series[0])
    return figure


def make_page(key: str = "scores") -> ProbePage:
    table = Table(key, "Scores", ("a <b>", "c"), (Line("dog", (Cell("0.5", "0.4 to 0.6"), Cell())),), "n = 3 words")
    drawing = Drawing(f"figure-{key}", "A picture", "Two points", draw)
    section = Section(
        "one",
        "First",
        "Read this.",
        ("It rose.",),
        (drawing,),
        (table,),
        (Table("folded", "More", (), ()),),
        Markup("<b>own</b>"),
    )
    return ProbePage(
        "A report", "It <rises>", "Asked so.", "A toy.", ("Up.",), (), ("c",), (section,), (("seed", "1"),), ("r.csv",)
    )


def test_everything_is_there_and_escaped() -> None:
    html = render(make_page())
    assert "<h1>It &lt;rises&gt;</h1>" in html and "a &lt;b&gt;" in html and "<b>own</b>" in html
    for said in ("Asked so.", "A toy.", "<li>Up.</li>", "<li>It rose.</li>", "0.4 to 0.6", 'href="r.csv"', "seed"):
        assert said in html
    assert "<script" not in html and "http-equiv" in html


def test_files_lie_beside_the_page_and_the_same_page_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert write_report(tmp_path / name, make_page(), {"r.csv": b"x\n"}) == tmp_path / name / "index.html"
    found = {str(path.relative_to(tmp_path / "a")) for path in (tmp_path / "a").rglob("*") if path.is_file()}
    figures = {"figures/figure-scores.svg", "figures/figure-scores.png"}
    tables = {f"tables/{key}.{kind}" for key in ("scores", "folded") for kind in ("csv", "tex")}
    assert found == {"index.html", "r.csv"} | figures | tables
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in found)


def test_two_tables_of_one_name_are_a_mistake_of_ours(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="folded"):
        write_report(tmp_path, make_page("folded"), {})
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(UserError, match="give another --out"):
        write_report(tmp_path / "taken", make_page(), {})


@pytest.mark.skipif(find_chromium() is None, reason="no Chromium on PATH; Debian: apt-get install chromium")
@pytest.mark.parametrize("width", [375, 1280])
def test_a_browser_shows_it_without_an_error(tmp_path: Path, width: int) -> None:
    page = write_report(tmp_path / "report", make_page(), {})
    with Browser(tmp_path / "profile", width) as browser:
        browser.open(page.as_uri())
        assert browser.run("document.querySelectorAll('svg.chart').length") == 1
        assert browser.run("document.documentElement.scrollWidth") <= width
        assert browser.errors == []
