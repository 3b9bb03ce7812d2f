import csv
import functools
import http.server
import json
import os
import re
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from PIL import Image as Picture

from analysis import ANALYSES, photos
from analysis.charts import Dot, dot_chart, line_chart
from analysis.curves import curve_rows, read_training
from analysis.examples import pick_examples
from analysis.report import Report, common_images, read_dumps, run
from analysis.results import read_rows
from analysis.tables import build_tables
from analysis.wording import interval, listing, number
from probing_vlp import records
from probing_vlp.dump import read_dump, write_coco_results, write_dump
from probing_vlp.errors import UserError
from probing_vlp.records import CaptionRecord

ALL = list(ANALYSES)
IDS = (42, 73, 74, 133, 136)
CE = ("a dog on a couch", "a motorcycle in a field", "a white dog on a street", "a bed in a room",
      "two giraffes eat leaves")
EVIL = "a dog <script>alert('x')</script> & a dog"
SCST = (EVIL, "a image of a motorcycle", "a dog near a street near a dog", "a bed near a bed", "a giraffe near a wall")
BEFORE, AFTER = (0.30, 0.40, 0.35, 0.31, 0.38), (0.50, 0.45, None, 0.30, 0.48)


def name_of(image_id: int) -> str:
    return f"COCO_val2014_{image_id:012d}.jpg"


def dump_to(path: Path, name: str, captions: tuple[str, ...], scores: tuple[float | None, ...],
            **header: object) -> Path:
    found = [CaptionRecord(key, text, name_of(key), tuple(text.split()), -5.0, {"mini-clip": score})
             for key, text, score in zip(IDS, captions, scores, strict=True)]
    write_dump(path, {"name": name, "split": "test", "seed": 1, **header}, found)
    return path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images, human captions, two runs with logs and dumps."""
    root = tmp_path_factory.mktemp("world")
    (root / "images").mkdir()
    lines = ["file_name,caption,split,image_id"]
    for image_id, human in zip(IDS, CE, strict=True):
        Picture.new("RGB", (640, 480), (image_id, 90, 90)).save(root / "images" / name_of(image_id))
        lines += [f"{name_of(image_id)},{human.capitalize()}.,test,{image_id}"] * 2
    Picture.new("RGB", (8, 8)).save(root / "images" / "train.jpg")
    words = ("dog", "cat", "bed", "cup", "wall", "couch")
    lines += [f"train.jpg,a {word} on a table in a room,train,900" for word in words]
    (root / "captions.csv").write_text("\n".join(lines) + "\n")
    runs = {"ce": {"loss": 3.0, "val_cider": 0.5}, "mini": {"reward_mean": 0.4, "length": 9.0, "kl": 0.5}}
    for run_name, logged in runs.items():
        log = [{"step": step, **{key: value + step / 100 for key, value in logged.items()}} for step in range(1, 31)]
        (root / run_name).mkdir()
        text = "\n".join(map(json.dumps, log)) + '\n{"step": 31, "lo'
        (root / run_name / "log.jsonl").write_text(text)
    dump_to(root / "ce" / "dumps" / "test.jsonl", "CE", CE, BEFORE, run=str(root / "ce"), step=20, kind="ce")
    dump_to(root / "mini" / "dumps" / "test.jsonl", "to <b>mini</b>", SCST, AFTER, run=str(root / "mini"), kind="scst",
            mini_scorers=["mini-clip"], signature={"reward": {"mini-clip": 1.0}}, config={"note": "<i>odd</i>"})
    return root


def options(world: Path, out: Path, **changes: Any) -> Report:
    dumps = [world / name / "dumps" / "test.jsonl" for name in ("ce", "mini")]
    values = {"dumps": dumps, "data": f"{world / 'images'},{world / 'captions.csv'}", "corpus": "data",
              "photos": "click", "skip": ALL, "draws": 200, "out": out}
    return Report(**{**values, **changes})


@pytest.fixture(scope="module")
def command(world: Path) -> subprocess.CompletedProcess[str]:
    """The command line's run with every analysis and photographs, and what it imported."""
    config = options(world, world / "full")
    words = ["report", *map(str, config.dumps), "--data", config.data, "--corpus", "data", "--draws", "200",
             "--images", str(world / "images"), "--out", str(config.out)]
    environment = {**os.environ, "PROBING_VLP_CACHE": str(world / "cache")}
    return subprocess.run([sys.executable, "-X", "importtime", "-m", "analysis", *words], env=environment,
                          capture_output=True, text=True, cwd=Path(__file__).parent.parent)


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
    known = {text for value in values for scale in (1, 100) for places in range(5)
             for text in (f"{abs(value) * scale:,.{places}f}",)} | {row["n"] for row in rows}
    steps = {note for row in rows for note in re.findall(r"step (\d+)", row["note"])}
    page = Page((full / "index.html").read_text().split('id="provenance"')[0])
    numbers = {text for cell in page.cells for text in re.findall(r"\d[\d,.]*\d|\d", cell) if "unavailable" not in cell}
    assert len(numbers) > 40
    assert numbers <= known | steps


def test_tables_are_the_same_from_either_file(full: Path) -> None:
    models = ["CE", "to <b>mini</b>"]
    tables = [build_tables(read_rows(full / name), models) for name in ("results.csv", "results.json")]
    assert tables[0] == tables[1]
    assert [table.key for table in tables[0]] == ["scores", "metrics", "statistics", "unigrams"]


def test_captions_and_headers_are_escaped(full: Path) -> None:
    page = (full / "index.html").read_text()
    assert "a dog &lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; a dog" in page
    assert "<script>alert" not in page and "<b>mini</b>" not in page and "<i>odd</i>" not in page


def test_page_is_self_contained(full: Path) -> None:
    text = (full / "index.html").read_text()
    page = Page(text)
    outside = [(tag, address) for tag, address in page.addresses if not address.startswith(("#", "data:"))]
    assert {tag for tag, _ in outside} == {"a"}
    assert {address for _, address in outside if not address.startswith("http")} == {"results.csv", "results.json"}
    assert not re.search(r"url\((?!#)|@import", text)
    assert page.tags["img"] == 3 and page.tags["svg"] > 8
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
    for file in ("index.html", "results.csv", "results.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


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
    assert "mini scorer" not in page and "<script>" not in page


def test_dumps_of_one_name_are_told_apart(world: Path, tmp_path: Path) -> None:
    paths = [dump_to(tmp_path / name / "test.jsonl", "CE", CE, BEFORE) for name in ("one", "two")]
    assert [dump.name for dump in read_dumps(paths)] == ["CE (one/test.jsonl)", "CE (two/test.jsonl)"]


def test_dumps_of_different_images_are_compared_over_the_shared_ones(world: Path, tmp_path: Path) -> None:
    ce = read_dump(world / "ce" / "dumps" / "test.jsonl")
    write_dump(tmp_path / "part.jsonl", {"name": "part"}, ce.records[:3])
    run(options(world, tmp_path / "out", dumps=[world / "ce/dumps/test.jsonl", tmp_path / "part.jsonl"]))
    page = (tmp_path / "out" / "index.html").read_text()
    assert "do not describe the same images (CE 5, part 3; 3 in all of them)" in page


@pytest.mark.parametrize(("changes", "message"), [
    ({"dumps": []}, "no dump given"),
    ({"dumps": [Path("nowhere.jsonl")]}, "nowhere.jsonl: no such dump"),
    ({"dumps": ["ce", "ce"]}, "given 2 times"),
    ({"dumps": ["ce", "other"]}, "no image in common"),
    ({"dumps": ["ce", "none"]}, "holds no captions"),
    ({"images": Path("nowhere")}, "nowhere: no such folder of images"),
    ({"images": "holes"}, f"{name_of(42)}: no such image"),
    ({"images": "broken"}, "not a readable picture"),
    ({"out": "file"}, "is a file"),
    ({"out": "file/below"}, "is a file"),
    ({"skip": ["metric"]}, "--skip metric"),
])
def test_bad_input_is_one_line_and_writes_nothing(world: Path, tmp_path: Path, changes: dict[str, Any],
                                                  message: str) -> None:
    ce = world / "ce" / "dumps" / "test.jsonl"
    places = {"ce": ce, "other": tmp_path / "other.jsonl", "none": tmp_path / "none.jsonl", "holes": tmp_path / "holes",
              "broken": tmp_path / "broken", "file": tmp_path / "file", "file/below": tmp_path / "file" / "below"}
    write_dump(places["other"], {"name": "other"}, [CaptionRecord(7, "a dog")])
    write_dump(places["none"], {"name": "none"}, [])
    places["holes"].mkdir()
    places["broken"].mkdir()
    places["file"].write_text("x")
    for image_id in IDS:
        (places["broken"] / name_of(image_id)).write_bytes((world / "images" / name_of(image_id)).read_bytes()[:300])
    mended: dict[str, Any] = {"out": tmp_path / "out"} | {
        key: [places.get(item, item) for item in value] if isinstance(value, list) else places.get(value, value)
              for key, value in changes.items()}
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        run(options(world, **mended))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists() and places["file"].read_text() == "x"


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


def test_curves_survive_a_kill_and_a_resume(tmp_path: Path) -> None:
    lines = ('{"step": 1, "loss": 3.0}', '{"step": 2, "loss": 2.5, "kl": null}', '{"step": 2, "loss": 2.0}', '{"st')
    (tmp_path / "log.jsonl").write_text("\n".join(lines))
    path = dump_to(tmp_path / "dumps" / "test.jsonl", "CE", CE, BEFORE, run="moved/away", step=2)
    training = read_training(read_dump(path))
    assert training.step == 2 and [curve.key for curve in training.curves] == ["loss"]
    assert training.curves[0].steps.tolist() == [1, 2] and training.curves[0].values.tolist() == [3.0, 2.0]
    assert {row.name: (row.value, row.note) for row in curve_rows(training)} == {
        "curve:loss:first": (3.0, "step 1"), "curve:loss:lowest": (2.0, "step 2"),
        "curve:loss:highest": (3.0, "step 1"), "curve:loss:last": (2.0, "step 2")}


def test_without_the_run_folder_a_note_says_so(tmp_path: Path) -> None:
    training = read_training(read_dump(dump_to(tmp_path / "a" / "test.jsonl", "CE", CE, BEFORE, run="gone")))
    assert training.curves == () and "gone is not on this machine" in training.note
    assert [(row.value, row.note) for row in curve_rows(training)] == [
        (None, "unavailable: its run folder gone is not on this machine")]


def test_charts_take_any_label_and_draw_long_logs_small() -> None:
    odd = r"$\frac{1}{$ <script> -- & " + "x" * 50
    chart = dot_chart("k", odd, odd, [Dot(odd, 0, 1.0, None, None), Dot("b", 9, 1.0, 1.0, 1.0)])
    assert "<script>" not in chart and "&lt;script&gt;" in chart and "…" in chart
    steps = np.arange(100_000)
    assert len(line_chart("k", "t", "d", steps, np.sin(steps / 9.0), 1)) < 20_000


@pytest.mark.parametrize(("value", "text"), [
    (0.0, "0"), (0.3871, "0.387"), (0.00123, "0.0012"), (9.123, "9.12"), (9.996, "10.0"), (40.26, "40.3"),
    (99.96, "100"), (1204.4, "1,204"), (-0.5, "\u22120.500")])
def test_numbers_are_written_by_one_rule(value: float, text: str) -> None:
    assert number(value) == text


def test_sentences() -> None:
    assert number(0.012, signed=True) == "+0.012" and interval(0.001, 0.0211) == "0.001 to 0.021"
    assert listing(["a"]) == "a" and listing(["a", "b"]) == "a and b" and listing(["a", "b", "c"]) == "a, b and c"
