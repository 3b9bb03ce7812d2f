"""The report as a whole, on dumps of a made-up world."""

import csv
import json
import os
import re
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from programs import ROOT
from report_world import AFTER, ALL, BEFORE, CE, EVIL, IDS, dump_to, make_world, name_of, options

from analysis.inputs import common_images, read_dumps
from analysis.report.examples import pick_examples
from analysis.report.exhibits import build_exhibits
from analysis.report.making import run
from probing_vlp.dump import read_dump, write_coco_results, write_dump
from probing_vlp.errors import UserError
from probing_vlp.pages.results import Row, read_rows, write_rows
from probing_vlp.pages.wording import interval, number
from probing_vlp.records import CaptionRecord


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def command(world: Path) -> subprocess.CompletedProcess[str]:
    """The command line's run with every analysis and photographs, and what it imported."""
    config = options(world, world / "full")
    words = [
        "report",
        *map(str, config.dumps),
        "--data",
        config.data,
        "--corpus",
        "data",
        "--draws",
        "200",
        "--images",
        str(world / "images"),
        "--out",
        str(config.out),
    ]
    environment = {**os.environ, "PROBING_VLP_CACHE": str(world / "cache")}
    return subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "analysis", *words],
        env=environment,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )


@pytest.fixture(scope="module")
def full(world: Path, command: subprocess.CompletedProcess[str]) -> Path:
    """The folder of that report."""
    assert command.returncode == 0, command.stderr[-2000:]
    return world / "full"


class Page(HTMLParser):
    """Texts of cells, ids, and addresses by (tag, attribute)."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids, self.tags = Counter[str](), Counter[str]()
        self.addresses, self.cells = list[tuple[str, str]](), list[str]()
        self._inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        for key, value in attrs:
            if key == "id":
                self.ids[value or ""] += 1
            if key in ("src", "href", "xlink:href", "srcset", "action", "data"):
                self.addresses.append((tag, value or ""))
        if tag == "td":
            self._inside = True
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "td"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.cells[-1] += data


def test_answer_holds_the_numbers_of_the_rows(full: Path) -> None:
    rows = {(row.name, row.model): row for row in read_rows(full / "results.csv")}
    page = (full / "index.html").read_text()
    gain = rows["score_difference:mini-clip", "to <b>mini</b>"]
    # image 74 is unscored after: (0.20 + 0.05 - 0.01 + 0.10) / 4
    assert gain.value == pytest.approx(0.085) and gain.n == 4
    assert gain.ci_low is not None and gain.ci_high is not None
    after = rows["score:mini-clip", "to <b>mini</b>"]
    assert after.value == pytest.approx((0.50 + 0.45 + 0.30 + 0.48) / 4) and after.n == 4
    assert rows["unscored:mini-clip", "to <b>mini</b>"].value == 1
    # 0.348 = mean of BEFORE
    assert "mean score" in page and "from 0.348 to 0.432" in page
    assert f"paired difference {interval(gain.ci_low, gain.ci_high)}, n = 4" in page
    for name in ("perplexity", "length", "nouns", "CIDEr"):
        before, now = (rows[name, model].value for model in ("CE", "to <b>mini</b>"))
        assert before is not None and now is not None
        assert f"from {number(before)} to {number(now)}" in page
    assert "mini-clip is a mini scorer" in page


def test_every_number_of_a_table_stands_in_the_results(full: Path) -> None:
    with open(full / "results.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    values = [float(row[key]) for row in rows for key in ("value", "ci_low", "ci_high") if row[key]]
    known = {
        text
        for value in values
        for scale in (1, 100)
        for places in range(5)
        for text in (f"{abs(value) * scale:,.{places}f}",)
    } | {row["n"] for row in rows}
    steps = {note for row in rows for note in re.findall(r"step (\d+)", row["note"])}
    text = (full / "index.html").read_text().split('id="provenance"')[0]
    page = Page(re.sub(r'<details class="paper">.*?</details>', "", text, flags=re.DOTALL))
    numbers = {text for cell in page.cells for text in re.findall(r"\d[\d,.]*\d|\d", cell) if "unavailable" not in cell}
    assert len(numbers) > 40
    assert numbers <= known | steps


def test_tables_are_the_same_from_either_file(full: Path) -> None:
    models = ["CE", "to <b>mini</b>"]
    made = [build_exhibits(read_rows(full / name), models, {}, {}) for name in ("results.csv", "results.json")]
    tables = [[table for exhibit in exhibits for table in exhibit.every] for exhibits in made]
    assert tables[0] == tables[1]
    keys = [table.key for table in tables[0]]
    assert keys[:3] == ["table-2", "table-4", "unigrams"] and "drift-within" in keys and "table-5" in keys
    table = tables[0][0]
    assert table.groups == (("Matching score by", 1), ("Caption metrics", 6))
    assert [line.title for line in tables[0][1].lines] == [*models, "people’s captions"]


def test_captions_and_headers_are_escaped(full: Path) -> None:
    page = (full / "index.html").read_text()
    assert "a dog &lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; a dog" in page
    assert "<script>alert" not in page and "<b>mini</b>" not in page and "<i>odd</i>" not in page
    data = page.split('id="browse-data">')[1].split("</script>")[0]
    assert "<" not in data and json.loads(data)["images"][0]["captions"][1][0] == EVIL


def test_page_is_self_contained(full: Path) -> None:
    text = (full / "index.html").read_text()
    page = Page(text)
    outside = [(tag, address) for tag, address in page.addresses if not address.startswith(("#", "data:"))]
    assert {tag for tag, _ in outside} == {"a"}
    assert {address for _, address in outside if not address.startswith("http")} == {"results.csv", "results.json"}
    assert not re.search(r"url\((?!#)|@import", text)
    assert page.tags["img"] == 4 and page.tags["svg"] > 8
    assert [key for key, times in page.ids.items() if times > 1] == []


def test_the_command_imports_no_torch(full: Path, command: subprocess.CompletedProcess[str]) -> None:
    imported = [line.split("|")[-1].strip() for line in command.stderr.splitlines()]
    assert {"numpy", "jinja2", "matplotlib", "spacy"} <= set(imported)
    # thinc tries to import torch and is refused: what counts is that nothing inside it was read
    assert [name for name in imported if name.startswith(("torch.", "torchvision", "transformers"))] == []
    assert command.stdout.splitlines()[0] == f"report: {full / 'index.html'}"


def test_same_dumps_give_the_same_bytes(world: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        run(options(world, tmp_path / name))
    first, second = (
        {
            path.relative_to(tmp_path / name): path.read_bytes()
            for path in (tmp_path / name).rglob("*")
            if path.is_file()
        }
        for name in ("a", "b")
    )
    assert first == second and len(first) > 20


def test_examples_are_the_largest_median_and_smallest_gain(world: Path) -> None:
    dumps = read_dumps(options(world, world).dumps)
    picks, rule = pick_examples(dumps, common_images(dumps), "mini-clip")
    # gains: 42 +0.20, 73 +0.05, 133 -0.01, 136 +0.10; ascending 133, 73, 136, 42: place 4 // 2 is 136
    assert [tuple(pick) for pick in picks] == [(42, "largest gain"), (136, "median gain"), (133, "smallest gain")]
    assert "4 images" in rule
    without, rule = pick_examples(dumps[:1], IDS, "mini-clip")
    assert [pick.image_id for pick in without] == [42, 74, 136] and "first, middle and last" in rule


def test_coco_results_without_scores(world: Path, tmp_path: Path) -> None:
    write_coco_results(tmp_path / "theirs.json", [CaptionRecord(key, text) for key, text in zip(IDS, CE, strict=True)])
    run(options(world, tmp_path / "out", dumps=[tmp_path / "theirs.json"], photos="none"))
    page = (tmp_path / "out" / "index.html").read_text()
    assert "How do these captions differ?" in page and "No training curves: the dump names no run" in page
    assert "mini scorer" not in page and "No scores and no metrics" in page and "Not measured" in page


def test_dumps_of_one_name_are_told_apart(world: Path, tmp_path: Path) -> None:
    paths = [dump_to(tmp_path / name / "test.jsonl", "CE", CE, BEFORE) for name in ("one", "two")]
    assert [dump.name for dump in read_dumps(paths)] == ["CE (one/test.jsonl)", "CE (two/test.jsonl)"]


def test_no_dump_has_the_name_of_the_rows_of_peoples_captions(tmp_path: Path) -> None:
    (dump,) = read_dumps([dump_to(tmp_path / "theirs.jsonl", "human", CE, BEFORE)])
    assert dump.name == "human (theirs.jsonl)"


def test_dumps_of_different_images_are_compared_over_the_shared_ones(world: Path, tmp_path: Path) -> None:
    ce = read_dump(world / "ce" / "dumps" / "test.jsonl")
    write_dump(tmp_path / "part.jsonl", {"name": "part"}, ce.records[:3])
    run(options(world, tmp_path / "out", dumps=[world / "ce/dumps/test.jsonl", tmp_path / "part.jsonl"]))
    page = (tmp_path / "out" / "index.html").read_text()
    assert "do not describe the same images (CE 5, part 3; 3 in all of them)" in page


def test_odd_captions_are_shown_and_counted(world: Path, tmp_path: Path) -> None:
    odd = ("", "。！", "一只狗在沙发上", "a dog " * 1700, "a giraffe")
    paths = [world / "ce/dumps/test.jsonl", dump_to(tmp_path / "odd.jsonl", "odd", odd, AFTER)]
    skip = [name for name in ALL if name not in ("nouns", "patterns", "unigrams")]
    run(options(world, tmp_path / "out", dumps=paths, photos="none", skip=skip))
    page = (tmp_path / "out" / "index.html").read_text()
    assert "1 of odd’s 5 captions are empty" in page and "一只狗在沙发上" in page
    assert "[U+4E00]" in (tmp_path / "out" / "tables" / "unigrams.tex").read_text()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dumps": []}, "no dump given"),
        ({"dumps": [Path("nowhere.jsonl")]}, "nowhere.jsonl: no such dump"),
        ({"dumps": ["ce", "ce"]}, "given 2 times"),
        ({"dumps": ["ce", "other"]}, "no image in common"),
        ({"dumps": ["ce", "val"]}, "compare dumps of one split"),
        ({"dumps": ["twice"]}, "image 42 stands there 2 times"),
        ({"dumps": ["blank"]}, "every caption is empty"),
        ({"dumps": ["script"]}, "every caption is of another script"),
        ({"verification": ["nowhere.jsonl"]}, "nowhere.jsonl"),
        ({"verification": ["rows.csv"]}, "holds no rows of a verification"),
        ({"dumps": ["ce", "none"]}, "holds no captions"),
        ({"images": Path("nowhere")}, "nowhere: no such folder of images"),
        ({"images": "holes"}, f"{name_of(42)}: no such image"),
        ({"images": "broken"}, "not a readable picture"),
        ({"out": "file"}, "is a file"),
        ({"out": "file/below"}, "is a file"),
        ({"skip": ["metric"]}, "--skip metric"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    world: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    ce = world / "ce" / "dumps" / "test.jsonl"
    places = {
        "ce": ce,
        "other": tmp_path / "other.jsonl",
        "none": tmp_path / "none.jsonl",
        "val": tmp_path / "val.jsonl",
        "twice": tmp_path / "twice.jsonl",
        "blank": tmp_path / "blank.jsonl",
        "script": tmp_path / "script.jsonl",
        "rows.csv": tmp_path / "rows.csv",
        "holes": tmp_path / "holes",
        "broken": tmp_path / "broken",
        "file": tmp_path / "file",
        "file/below": tmp_path / "file" / "below",
    }
    write_dump(places["other"], {"name": "other"}, [CaptionRecord(7, "a dog")])
    write_dump(places["none"], {"name": "none"}, [])
    write_dump(places["val"], {"name": "val", "split": "val"}, [CaptionRecord(42, "a dog")])
    write_dump(places["twice"], {"name": "twice"}, [CaptionRecord(42, "a dog"), CaptionRecord(42, "a cat")])
    write_dump(places["blank"], {"name": "blank"}, [CaptionRecord(42, " ")])
    write_dump(places["script"], {"name": "script"}, [CaptionRecord(42, "一只狗"), CaptionRecord(7, "")])
    write_rows(tmp_path, [Row("length", "ce", 9.0, None, None, 1, "words", "x")], "rows")
    places["holes"].mkdir()
    places["broken"].mkdir()
    places["file"].write_text("x")
    for image_id in IDS:
        (places["broken"] / name_of(image_id)).write_bytes((world / "images" / name_of(image_id)).read_bytes()[:300])
    places["nowhere.jsonl"] = tmp_path / "nowhere.jsonl"
    mended: dict[str, Any] = {"out": tmp_path / "out"} | {
        key: [places.get(item, item) for item in value] if isinstance(value, list) else places.get(value, value)
        for key, value in changes.items()
    }
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        run(options(world, **mended))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists() and places["file"].read_text() == "x"
