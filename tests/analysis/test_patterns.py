"""The paper's own captions under the paper's own patterns; shares, shards and odd captions."""

import json
from pathlib import Path

import numpy as np
import pytest

from analysis.__main__ import COMMANDS, name_dumps
from analysis.context import Context
from analysis.patterns.named import MODELS, PAPER
from analysis.patterns.shares import classify, columns, measure, ratios
from analysis.reading import Reading, read, readings
from probing_vlp.cli import main
from probing_vlp.data.embedded import coco_corpus
from probing_vlp.dump import CaptionDump, write_coco_results
from probing_vlp.records import CaptionRecord

UNITER, ROSITA, VILBERT, CLIP, LXMERT = MODELS
# Captions of Ma et al. 2023, tables 3, 5 and 6: model, name of its prefix, whether the whole caption has the pattern
EXAMPLES = [
    (UNITER, "", False, "a motorcycle bike motorcycle bike motorcycle bike"),
    (UNITER, "1", True, "a elephant of elephants elephant"),
    (UNITER, "1", True, "a group playing a court playing the court"),
    (UNITER, "1", False, "a table table of"),
    (UNITER, "1", True, "a table table of the table tools"),
    (UNITER, "1", True, "a man of the horse field"),
    (UNITER, "1", True, "a tracks of the person guy background bicycle"),
    (ROSITA, "1", True, "a image that is a a motor bike but a a motor but a a road but a a dirt"),
    # "touching" is no conjunction: the pattern reads on to it only
    (
        ROSITA,
        "1",
        False,
        "a image image that is a a elephants elephants elephants touching a a zoo exhibit but a a zoo pin",
    ),
    (
        ROSITA,
        "2",
        True,
        "a young people a a young person a a object that is a a court match but a a court",
    ),
    (ROSITA, "1", False, "a image image that is"),
    (ROSITA, "1", True, "a image image that is a a cabinets but a a cabinets but a a sink"),
    (ROSITA, "2", False, "a man man that is"),
    (ROSITA, "2", True, "a man man that is a a person bike a a dirt but a a rural dirt"),
    (ROSITA, "1-is-optional", True, "a image image that a a man but a a horse but a a field"),
    (
        ROSITA,
        "1-is-optional",
        True,
        "a image image that a a tracks but a a person but a a guy but a a background but a a bicycle",
    ),
    (
        VILBERT,
        "1",
        True,
        "a motorcycle that was in the metal at this park at the bike across the parking meter at this party",
    ),
    (
        VILBERT,
        "1",
        True,
        "a baby elephant that across the dirt towards the elephant at this enclosure behind the dirt behind his "
        "enclosure at",
    ),
    (
        VILBERT,
        "1",
        True,
        "a girl that a frisbee across the basketball towards the basketball at this team at the basketball at the "
        "basketball",
    ),
    (VILBERT, "1", False, "a bird that"),
    (VILBERT, "1", True, "a bird that the kite above the sky above the beach towards this water"),
    (VILBERT, "1", True, "a man that the horse at the field"),
    (VILBERT, "1", True, "a tracks that the person at the guy at the background at the bicycle"),
    (
        CLIP,
        "1",
        True,
        "a image image of a row of motorcycles parked near a row area and a wire area near a background",
    ),
    (
        CLIP,
        "1",
        True,
        "a group image of people petting a elephant near a fenced area and a baby near a background area area",
    ),
    (
        CLIP,
        "1",
        True,
        "a group image of people petting a frisbee near a camera area and a neck shirt near a background area",
    ),
    (CLIP, "1", False, "a image image of"),
    (
        CLIP,
        "1",
        True,
        "a image image of a white bathroom with a brown shower curtain near a corner area and seat floor holder",
    ),
    (CLIP, "1", True, "a image image of a man near a horse near a field"),
    (CLIP, "1", True, "a image image of a tracks near a person near a guy near a background near a bicycle"),
    (
        LXMERT,
        "1",
        True,
        "a bike parked parked of a motorcycle parked parked of a ground near a ground near a sand sand shore",
    ),
    (
        LXMERT,
        "1",
        True,
        "these elephants elephants elephants elephants interacting near a elephant elephant touching a touching a "
        "elephant near a dirt ground near",
    ),
    (
        LXMERT,
        "1",
        True,
        "these young young people standing young standing playing a holding a walking a holding a playing a holding a "
        "sky",
    ),
    (LXMERT, "1", False, "a man man posing"),
    (LXMERT, "1", True, "a man man posing a bike riding a bike bike riding a dirt near a road near a dirt ground"),
    (LXMERT, "1", True, "a man of a horse of a field"),
    (LXMERT, "1", True, "a tracks of a person of a guy of a background of a bicycle"),
    # the captions of the model trained with cross-entropy
    ("", "", False, "a motorcycle parked on a dirt road next to a fence"),
    ("", "", False, "a group of elephants standing next to each other"),
    ("", "", False, "a group of people standing on a sidewalk"),
    ("", "", False, "a man riding a horse in a field"),
]
ODD = ["", " ", "?!...", "犬と猫 и собака", "that", "that that is is", "image", "a", "a " * 5000, "of " * 5000]
LONG = ["a man " * 5000 + "of", "a man and " * 3000 + "who", "a image image of a dog near " * 2000, "that is " * 5000]


@pytest.fixture(scope="module")
def context() -> Context:
    return Context({}, list, draws=20)


def read_all(captions: list[str], context: Context) -> list[Reading]:
    return read([CaptionRecord(i, caption) for i, caption in enumerate(captions)], context)


@pytest.mark.parametrize("change", [str, lambda text: f"{text.capitalize()}."], ids=["as printed", "as a sentence"])
def test_the_papers_captions_are_put_under_their_model(change: type[str], context: Context) -> None:
    found = [classify(reading) for reading in read_all([change(text) for *_, text in EXAMPLES], context)]
    for (model, prefix, whole, text), fits in zip(EXAMPLES, found, strict=True):
        assert fits.best == model, text
        if prefix:
            assert (model, prefix) in fits.prefixes and ((model, prefix) in fits.patterns) == whole, text


def test_what_else_a_caption_fits(context: Context) -> None:
    one, two, plain = (
        classify(reading)
        for reading in read_all(
            ["a image image that is a a sink", "a man man that is a a sink", "a man riding a horse in a field"], context
        )
    )
    assert one.prefixes == {("ROSITA", "1"), ("ROSITA", "1-is-optional"), ("ViLBERT", "1")}
    assert two.prefixes == {("ROSITA", "2"), ("ViLBERT", "1")}  # prefix 2 is what prefix 1 leaves
    assert two.patterns == {("ROSITA", "2"), ("ViLBERT", "1")}  # that, is, noun phrase: AUX + NOUN.P
    assert plain.prefixes == {("UNITER", "1"), ("LXMERT", "1")} and plain.patterns == {("LXMERT", "1")}
    assert not plain.signs and "plain English" in plain.why


def test_shares(context: Context) -> None:
    captions = ["a image image of a sink", "a bird that the kite", "a dog near a dog near a dog of a cat", ""]
    dump = CaptionDump("d", tuple(CaptionRecord(i, text) for i, text in enumerate(captions)))
    rows = {row.name: row for row in measure(dump, context)}
    assert set(PAPER) < set(rows) == set(ratios())
    assert {row.n for row in rows.values()} == {4}
    expected = {
        "prefix:CLIP:1": 1 / 4,
        "pattern:CLIP": 1 / 4,
        "prefix:UNITER:1": 2 / 4,  # IMAGE.P is a noun phrase, "of" a preposition
        "prefix:LXMERT:1": 2 / 4,
        "pattern:UNITER": 1 / 4,  # "a image image of a sink" too; the dogs and the cat have two connections
        "pattern:LXMERT": 2 / 4,
        "prefix:ViLBERT:1": 1 / 4,
        "best_pattern:CLIP": 1 / 4,
        "best_pattern:UNITER": 0,
        "best_pattern:none": 1 / 4,
    }
    assert {name: rows[name].value for name in expected} == expected
    assert rows["prefix:ViLBERT:1"].note == "(NOUN.P)*+that; a bird that the kite"
    best = [rows[f"best_pattern:{model}"].value or 0 for model in (*MODELS, "none")]
    assert sum(best) == pytest.approx(1)  # every caption has one best


def test_any_sharding_gives_the_same_columns(context: Context) -> None:
    captions = read_all([text for *_, text in EXAMPLES] + ODD, context)
    whole = columns(captions, context)
    for cut in (0, 1, 7, len(captions)):
        parts = [columns(part, context) for part in (captions[:cut], captions[cut:])]
        assert all(np.array_equal(whole[name], np.r_[parts[0][name], parts[1][name]]) for name in whole)
    backward = columns(captions[::-1], context)
    assert all(np.array_equal(whole[name], backward[name][::-1]) for name in whole)


def test_odd_captions_count(context: Context) -> None:
    found = columns(read_all(ODD, context), context)
    assert all(len(column) == len(ODD) for column in found.values())
    assert found["best_pattern:none"][:4].tolist() == [1, 1, 1, 1]  # nothing to read, or no packing in it


def test_captions_of_ten_thousand_words_are_read_in_one_go(context: Context) -> None:
    tag = {"a": "DET", "man": "NOUN", "image": "NOUN", "dog": "NOUN", "and": "CCONJ", "who": "PRON", "is": "AUX"}
    found = []
    for text in LONG:
        tags = tuple((word, tag.get(word, "ADP")) for word in text.split())
        found.append(classify(Reading(0, text, tuple(text.split()), tags)))
    assert ("UNITER", "1") in found[0].prefixes and found[0].best == "UNITER"  # repeats are one: "a man of"
    assert not found[1].patterns
    assert found[2].best == "CLIP" and ("CLIP", "1") in found[2].patterns
    assert not found[3].prefixes


def test_human_captions_are_seldom_put_under_a_model(context: Context) -> None:
    texts = dict(coco_corpus("val"))  # the last caption of each image
    some = [CaptionRecord(image, texts[image]) for image in sorted(texts)[:400]]
    found = columns(readings(CaptionDump("human", tuple(some)), context), context)
    assert found["best_pattern:none"].mean() > 0.88
    assert found["pattern:LXMERT"].mean() > 0.3  # though plain English has the form of the paper's patterns


def command(*argv: str | Path) -> int:
    try:
        main("python -m analysis", "", COMMANDS, name_dumps(list(map(str, argv))))
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_captions_typed_into_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    typed = tmp_path / "typed.txt"
    typed.write_text("\n".join(text for *_, text in EXAMPLES) + "\n")
    write_coco_results(tmp_path / "coco.json", [CaptionRecord(7, "a bird that the kite"), CaptionRecord(8, "")])
    assert command("show-patterns", typed, tmp_path / "coco.json", "--out", tmp_path / "shown.json") == 0
    said = capsys.readouterr().out
    assert "   phrases   NOUN.P that NOUN.P REL NOUN.P REL NOUN.P REL NOUN.P\n" in said
    assert "typed: best of 41 captions: UNITER 7, ROSITA 9, ViLBERT 7, CLIP 7, LXMERT 7, none 4" in said
    shown = json.loads((tmp_path / "shown.json").read_text())
    assert [one["best"] for one in shown[:-2]] == [model or "none" for model, *_ in EXAMPLES]
    assert (shown[-2]["image_id"], shown[-2]["prefixes"], shown[-1]["best"]) == (7, ["ViLBERT 1"], "none")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("missing.txt",), "no such text of captions"),
        (("bytes.txt",), "not a text in UTF-8"),
        (("typed.txt", "--most", "-1"), "--most -1"),
        (("typed.txt", "--out", "."), "is a folder"),
        ((), "no dump given"),
    ],
)
def test_bad_input(
    options: tuple[str, ...],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("typed.txt").write_text("a dog\n")
    Path("bytes.txt").write_bytes(b"\xff\xd8")
    assert command("show-patterns", *options) == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: ") and said.err.count("\n") == 1 and message in said.err and said.out == ""
