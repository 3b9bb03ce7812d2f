"""The report of a run: files, verdicts in words, what is not there, what must not be claimed."""

import csv
import itertools
import json
from pathlib import Path

import pytest
import yaml
from PIL import Image
from test_taxonomy_verdicts import HYPERNYMS, LEAVES, above, world_items

from probing_vlp.errors import UserError
from probing_vlp.taxonomy.answers.items import Item, write_items
from probing_vlp.taxonomy.report import making as report
from probing_vlp.taxonomy.report.making import ReportConfig


def make_run(folder: Path, skill: float = 0.9) -> Path:
    """A run with all that may lie in its folder."""
    write_items(folder / "items.csv.gz", world_items(skill, ignorant_of=frozenset({"h2", "h5"})))
    lines = ["encoder,map,seed,label,n,coherence,centred"]
    for kind, (place, name) in itertools.product(("original", "across"), enumerate(HYPERNYMS)):
        lines.append(f"net,{kind},1,{name},12,{0.3 + place / 50},{0.1 + place / 40}")
    (folder / "coherence.csv").write_text("\n".join(lines) + "\n")
    kept = {"signature": "s", "taxonomy": "t", "kept_out": [["leaf0", "h0"]], "unknown_hypernyms": ["h2", "h5"]}
    (folder / "knowledge.json").write_text(json.dumps(kept))
    texts = [
        Item("tiny/lm-only", "lm-only", f"phrasing {phrasing}", leaf, name, gold, gold, test="lm-only", lm="tiny")
        for leaf, name, phrasing in itertools.product(LEAVES, HYPERNYMS, (1, 2))
        for gold in ["Yes" if name in above(leaf) else "No"]
    ]
    write_items(folder / "lm-only.csv.gz", texts)
    return folder


def make_photographs(folder: Path) -> dict[str, object]:
    """A folder a leaf with photographs of the names of the run, and the options that find them."""
    for leaf in LEAVES:
        (folder / "images" / leaf).mkdir(parents=True)
        for place in range(16):
            shade = (15 * place, 16 * LEAVES.index(leaf), 90)
            Image.new("RGB", (40, 30), shade).save(folder / "images" / leaf / f"{place:02d}.png")
    pairs = "".join(f"{leaf},{name}\n" for leaf in LEAVES for name in sorted(above(leaf)))
    (folder / "pairs.csv").write_text(f"leaf,hypernym\n{pairs}")
    options = {"images": folder / "images", "lm": "models/tiny", "taxonomy": folder / "pairs.csv"}
    rest = {"mentions": 2, "split_seed": 1, "least": 0, "photographs": "", "folders": "", "encoder": {"name": "net"}}
    return {name: str(value) for name, value in options.items()} | rest


def test_the_report_says_what_was_found_and_holds_every_file(tmp_path, capsys):
    folder = make_run(tmp_path)
    report.run(ReportConfig(folder))
    headline = "The small frozen language model carries hypernyms over to photographs that it was never asked about"
    assert headline in capsys.readouterr().out
    page = (folder / "report" / "index.html").read_text()
    for words in (
        headline,
        "By text alone the LM knows its hypernyms",
        "With no hypernym question in training, held-out hypernyms generalise",
        "On 2 hypernyms that the LM never read of, it fails, as it should",
        "Across-category shuffling destroys it",
        "a small experiment with a small language model trained here",
        "not the paper’s",
        "r = ",
    ):
        assert words in page
    assert page.count('class="chart"') == 6  # leaves, held-out; two label maps; coherence, as in the paper and centred
    names = {str(path.relative_to(folder / "report")) for path in (folder / "report").rglob("*") if path.is_file()}
    figures = {
        f"figures/{key}.{kind}" for key in ("main-net-full-held-out", "maps-net-random") for kind in ("svg", "png")
    }
    tables = {f"tables/{key}.csv" for key in ("conditions-original", "maps", "hypernyms", "mixed-coherence-0")}
    assert figures | tables | {"index.html", "results.csv", "metrics.csv", "concepts.csv"} <= names


def test_every_number_has_its_n(tmp_path):
    folder = make_run(tmp_path)
    report.run(ReportConfig(folder, tmp_path / "out", photographs=0))
    rows = list(csv.DictReader((tmp_path / "out" / "results.csv").read_text().splitlines()))
    assert len(rows) > 50
    assert all(int(row["n"]) > 0 for row in rows)
    assert not any("nan" in (row["value"], row["ci_low"]) for row in rows)
    assert "Photographs" not in (tmp_path / "out" / "index.html").read_text()


def test_the_same_run_gives_the_same_report(tmp_path):
    folder = make_run(tmp_path)
    for name in ("one", "two"):
        report.run(ReportConfig(folder, tmp_path / name))
    for path in (tmp_path / "one").rglob("*.[hcs]*"):
        if path.is_file():
            assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes()


def test_photographs_are_in_the_page_with_questions_and_answers(tmp_path):
    options = make_photographs(tmp_path)
    from probing_vlp.taxonomy.report.samples import open_index

    index = open_index(options)
    assert index is not None
    items = []
    for shown, (place, seed) in zip(index.parts["test"], itertools.cycle(enumerate((1, 1, 1))), strict=False):
        (leaf,) = shown.leaves
        for name in HYPERNYMS:
            gold = "Yes" if name in above(leaf) else "No"
            said = gold if place else "Yes"
            for lm in ("pretrained", "random"):
                key = (f"{lm}/full/original/1", "full", shown.image, leaf, name, gold, said)
                items.append(Item(*key, test="held-out", map="original", lm=lm, seed=seed, encoder="net"))
    write_items(tmp_path / "items.csv.gz", items)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(options))
    (tmp_path / "coherence.csv").write_text("map,label,coherence,centred\noriginal,h0,0.5,0.1\noriginal,h1,0.4,0.2\n")
    report.run(ReportConfig(tmp_path, photographs=3))
    page = (tmp_path / "report" / "index.html").read_text()
    assert page.count("data:image/jpeg") == 3
    assert "Is there a h0 in this image?" in page
    assert "<mark>Yes</mark>" in page
    assert "language model tiny" in page
    assert "2 rows of 2 hypernyms are too few to fit" in page
    assert "only where encoder, language model, photographs and rules are the paper’s" in page


def test_items_alone_make_a_report(tmp_path):
    write_items(tmp_path / "items.csv", world_items(0.0))
    report.run(ReportConfig(tmp_path))
    page = (tmp_path / "report" / "index.html").read_text()
    assert "The frozen language model shows no sign of carrying hypernyms over to photographs" in page
    assert "nothing to keep or to destroy" in page
    assert "photographs are not where the run found them" in page


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("config.yaml", "- a\n", "config.yaml: not the options of a run"),
        ("coherence.csv", "label,map\nh0,original\n", "coherence.csv: no column coherence"),
        ("knowledge.json", "[]", "knowledge.json: not written by train.py lm"),
        ("lm-only.csv.gz", "concept,gold,prediction\nh0,Yes,No\n", "lm-only.csv.gz: no column test"),
        ("items.csv.gz", "concept,gold,prediction\nh0,Yes,No\n", "no column encoder"),
    ],
)
def test_a_damaged_run_is_told_of_and_nothing_is_written(tmp_path, name, text, said):
    make_run(tmp_path)
    (tmp_path / name).write_text(text)
    if name == "items.csv.gz":
        (tmp_path / "lm-only.csv.gz").unlink()
    with pytest.raises(UserError) as caught:
        report.run(ReportConfig(tmp_path))
    assert said in str(caught.value)
    assert not (tmp_path / "report").exists()
    with pytest.raises(UserError, match="no such results file"):
        report.run(ReportConfig(tmp_path / "none"))
