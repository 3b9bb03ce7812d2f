"""Drift of whole dumps: piled nouns are found, human captions are measured alike, and nothing crashes."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from drift_toys import context_of, dump_of

from analysis.context import Context
from analysis.drift.drift import columns, measure, ratios, use_thresholds
from analysis.drift.learning import check_seeds, learn
from analysis.drift.thresholds import DIRECTIONS
from analysis.reading import readings
from probing_vlp.errors import UserError
from probing_vlp.pages.results import Row
from probing_vlp.tagging import load_tagger

THINGS = ("dog", "cat", "horse", "bird", "bus", "train")
PLACES = ("street", "field", "bed", "table", "beach")
HUMAN = [(f"a {t} on a {p}", f"the {t} stands near a {p}") for t in THINGS for p in PLACES]
CE = [f"a {t} is standing in a {p}" for t in THINGS for p in PLACES]
PILED = [f"a {t} {t} {t} of a {p} {p} and a" for t in THINGS for p in PLACES]


@pytest.fixture(scope="module")
def tagger() -> object:
    return load_tagger()


@pytest.fixture
def context(tagger: object) -> Context:
    made = context_of(HUMAN, train=[CE[0]])
    made.memory["tagger"] = tagger
    return made


def by_name(rows: list[Row], model: str) -> dict[str, Row]:
    return {row.name: row for row in rows if row.model == model}


def test_piled_nouns_are_found(context: Context) -> None:
    rows = [row for dump in (dump_of("ce", CE), dump_of("scst", PILED)) for row in measure(dump, context)]
    found = by_name(rows, "scst")
    assert found["drift:repeated_nouns"].value == pytest.approx(3 / 5)
    assert found["drift:bad_ending"].value == 1
    assert found["drift_change:words"].value == pytest.approx(10 - 7)
    crossed = {name.split(":")[1] for name, row in found.items() if name.startswith("crossed:") and row.value}
    assert {"nouns", "nouns_per_word", "repeated_nouns", "doubled_words", "bad_ending", "connective"} <= crossed
    assert crossed.isdisjoint({"empty_captions", "object_recall", "chair_i", "copied"})
    assert found["drift:connective"].note.startswith('"and"') or found["drift:connective"].note.startswith('"of"')
    assert found["drift:copied"].value == 0
    assert by_name(rows, "ce")["drift:copied"].value == pytest.approx(1 / 30)


def test_humans_are_judged_by_the_other_humans(context: Context) -> None:
    rows = by_name(measure(dump_of("ce", CE), context), "human")
    assert rows["drift:words"].value == 5
    assert (rows["chair_i"].value, rows["object_recall"].value) == (0, 1)
    alone = context_of([[text] for text, _ in HUMAN])
    alone.memory["tagger"] = context.memory["tagger"]
    assert by_name(measure(dump_of("ce", CE), alone), "human")["chair_i"].value is None


def test_a_dump_against_itself_crosses_nothing(context: Context) -> None:
    rows = [row for dump in (dump_of("ce", CE), dump_of("again", CE)) for row in measure(dump, context)]
    found = by_name(rows, "again")
    verdicts = [row for name, row in found.items() if name.startswith("crossed:")]
    assert not any(row.value for row in verdicts)
    assert all(
        row.value == 0 for name, row in found.items() if name.startswith("drift_change:") and row.value is not None
    )
    # no reward and no run in the headers, 210 words, one caption an image
    assert {row.name.split(":")[1] for row in verdicts if row.value is None} == {
        "kl",
        "score_gap",
        "vocabulary_1000",
    }
    assert {row.name.split(":")[1] for row in verdicts} == set(DIRECTIONS) - {"self_cider"}


def test_odd_captions_and_foreign_images(context: Context) -> None:
    odd = ["", "...", "一只猫在床上", "dog " * 2500, "<script>", "\n\t", "A"]
    first = dump_of("ce", CE)
    rows = [row for dump in (first, dump_of("odd", odd)) for row in measure(dump, context)]
    assert by_name(rows, "odd")["drift:empty_captions"].value == pytest.approx(3 / 7)
    foreign = measure(dump_of("foreign", odd, images=range(500, 507)), context)
    assert by_name(foreign, "foreign")["chair_s"].note == "unavailable: no human captions for these images"
    assert by_name(foreign, "foreign")["drift_change:words"].value is None
    assert all(row.value is None or math.isfinite(row.value) for row in [*rows, *foreign])


def test_several_captions_an_image(context: Context) -> None:
    twice = dump_of("two", [*CE, *PILED], images=[*range(30), *range(30)])
    found = by_name(measure(twice, context), "two")
    assert found["drift:words"].value == (7 + 10) / 2 and found["drift:words"].n == 30
    assert 0 < (found["drift:self_cider"].value or 0) < 1
    assert "drift:pairwise_cider" not in found


def test_order_of_captions_changes_nothing(context: Context) -> None:
    first = measure(dump_of("ce", CE), context)
    other = replace(context, memory={"tagger": context.memory["tagger"]})
    turned = measure(dump_of("ce", CE[::-1], images=range(29, -1, -1)), other)
    assert {row.name: row.value for row in first} == pytest.approx({row.name: row.value for row in turned}, nan_ok=True)


def test_shards_give_the_same_sums(context: Context) -> None:
    captions = readings(dump_of("ce", [*CE, *PILED], images=[*range(30), *range(30)]), context)
    whole, parts = columns(captions, context), [columns(part, context) for part in (captions[:7], captions[7:])]
    assert all(values.sum() == sum(part[name].sum() for part in parts) for name, values in whole.items())
    known = {*whole, "captions"}
    assert all({ratio.top, ratio.bottom} <= known for ratio in ratios().values())


def seeds() -> list[list[str]]:
    return [
        CE,
        [text.replace("standing", "sitting") for text in CE],
        [text.replace("is standing in", "on") for text in CE],
    ]


def test_thresholds_of_seeds_hold_for_the_seeds_and_not_for_piled_nouns(context: Context, tmp_path: Path) -> None:
    dumps = [dump_of(f"ce{i}", captions, data="toy") for i, captions in enumerate(seeds())]
    record = learn(dumps, context)
    assert record["data"] == "toy" and [made["captions"] for made in record["made_from"]] == [30] * 3
    words = record["bands"]["words"]
    assert words["values"] == [7, 7, 5]
    assert (words["mean"], words["sd"], words["error"]) == pytest.approx((19 / 3, math.sqrt(4 / 3), 0))
    assert len(record["bands"]["prefix"]["values"]) == 6
    path = tmp_path / "bands.json"
    path.write_text(json.dumps(record))
    fresh = replace(context, memory={"tagger": context.memory["tagger"]})
    use_thresholds(fresh, path)
    rows = [row for dump in (*dumps, dump_of("scst", PILED)) for row in measure(dump, fresh)]
    crossed = {(row.model, row.name) for row in rows if row.name.startswith("crossed:") and row.value}
    assert {model for model, _ in crossed} == {"scst"}
    assert ("scst", "crossed:repeated_nouns") in crossed


def test_seeds_that_are_none() -> None:
    with pytest.raises(UserError, match="two seeds"):
        check_seeds([dump_of("a", CE)])
    with pytest.raises(UserError, match="same captions"):
        check_seeds([dump_of("a", CE), dump_of("b", CE)])
    with pytest.raises(UserError, match="different images"):
        check_seeds([dump_of("a", CE), dump_of("b", PILED[:4])])
