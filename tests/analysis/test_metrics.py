"""Caption metrics: BLEU by hand, equality with pycocoevalcap, and what happens without Java."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge

from analysis import METRICS
from analysis.context import Context
from analysis.statistics import java, metrics
from probing_vlp.dump import CaptionDump
from probing_vlp.errors import UserError
from probing_vlp.pages.results import Row
from probing_vlp.records import CaptionRecord

needs_java = pytest.mark.skipif(shutil.which("java") is None, reason="no java on PATH")

REFERENCES = {
    7: ("A man riding a horse in a field.", "The man is on a brown horse.", "A person rides horses"),
    3: ("Two dogs play with a ball", "A pair of dogs playing, outside!"),
    5: ("a plate of food on a table", "A dinner plate on the table.", "Some food."),
    9: ("a red bus on a city street", "the bus is red"),
}
CAPTIONS = {7: "a man on a horse", 3: "two dogs playing with a ball in the grass", 5: "a table", 9: "zebra"}
NAMES = ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "METEOR", "METEOR_image", "ROUGE-L", "CIDEr", "SPICE"]


@pytest.fixture(scope="module", autouse=True)
def close_meteor() -> Iterator[None]:
    yield
    java.close_meteor()


def dump_of(captions: dict[int, str]) -> CaptionDump:
    return CaptionDump("d", tuple(CaptionRecord(key, text) for key, text in captions.items()))


def measure(captions: dict[int, str]) -> dict[str, Row]:
    return {row.name: row for row in metrics.measure(dump_of(captions), Context(REFERENCES, list, draws=200))}


def without_java(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str = "") -> None:
    """PATH holds nothing, or a `java` that is this script."""
    if script:
        (folder / "java").write_text(f"#!/bin/sh\n{script}\n")
        (folder / "java").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    java.close_meteor()


def test_bleu_by_hand() -> None:
    """Two images; matches / n-grams of each order, summed over them:

    1: "a dog runs" against "a dog runs fast" and "the dog sat": 3/3, 2/2, 1/1, 0/0; closest length 3 of 4 and 3
    2: "a a cat" against "a cat sat": "a" counts once: 2/3, 1/2, 0/1, 0/0; length 3
    """
    references = {1: ["a dog runs fast", "the dog sat"], 2: ["a cat sat"]}
    captions = {1: ["a dog runs"], 2: ["a a cat"]}
    values = [estimate.value for estimate in metrics.bleu(references, captions, Context({}, list, draws=10))]
    by_hand = [5 / 6, (5 / 6 * 3 / 4) ** (1 / 2), (5 / 6 * 3 / 4 * 1 / 2) ** (1 / 3)]
    assert values[:3] == pytest.approx(by_hand, rel=1e-6)
    sums = np.array([5, 3, 1, 0, 6, 4, 2, 0, 6, 6.0])
    assert metrics.bleu_of_sums(sums) == pytest.approx(values, rel=1e-9)
    # a corpus of 5 words against 6 pays exp(1 - 6/5)
    assert metrics.bleu_of_sums(np.array([5, 4, 3, 2, 5, 4, 3, 2, 5, 6.0])) == pytest.approx([np.exp(1 - 6 / 5)] * 4)


def test_scores_of_the_sums_are_pycocoevalcaps() -> None:
    """The un-resampled sums give the official number, so the draws are draws of that number."""
    references = {key: [text.lower() for text in texts] for key, texts in REFERENCES.items()}
    captions = {key: [text] for key, text in CAPTIONS.items()}
    context = Context({}, list, draws=50)
    official, _ = Bleu(4).compute_score(references, captions, verbose=0)
    ours = metrics.bleu(references, captions, context)
    assert [estimate.value for estimate in ours] == official
    assert all(estimate.low <= estimate.value <= estimate.high for estimate in ours)
    assert metrics.rouge_l(references, captions, context)[0].value == Rouge().compute_score(references, captions)[0]
    assert metrics.cider(references, captions, context)[0].value == pytest.approx(
        Cider().compute_score(references, captions)[0], rel=1e-12
    )


def test_meteor_of_one_match_by_hand() -> None:
    """ "a" against "a person rides horses": one function word matched, weights 0.25 a function and 0.75 a content word.

    P = 0.25 / 0.25, R = 0.25 / (3 x 0.75 + 0.25) = 0.1, F = P R / (0.85 P + 0.15 R), one chunk of one word: penalty 0.6
    """
    statistics = np.array([1, 4, 1, 1, 0, 0, 1, 1, *[0] * 12, 1, 1, 1.0])
    assert metrics.meteor_of_sums(statistics)[0] == pytest.approx(0.1 / (0.85 + 0.015) * (1 - 0.6))
    assert metrics.meteor_of_sums(np.zeros(23))[0] == 0


@needs_java
def test_meteor_of_the_sums_is_that_of_its_java_program() -> None:
    references = {key: list(texts) for key, texts in REFERENCES.items()}
    found = java.meteor(references, {key: [text] for key, text in CAPTIONS.items()})
    assert metrics.meteor_of_sums(found.statistics.sum(0)) == pytest.approx([found.corpus], abs=1e-12)
    assert metrics.meteor_of_sums(found.statistics)[:, 0] == pytest.approx(found.images, abs=1e-12)
    assert found.images[-1] == 0 < found.images[0]


@needs_java
def test_captions_that_match_whole_are_in_meteors_interval() -> None:
    references = {key: list(texts) for key, texts in REFERENCES.items()}
    found = java.meteor(references, {key: [texts[0]] for key, texts in references.items()})
    sums = metrics.without_perfect_chunks(found.statistics).sum(0)
    assert metrics.meteor_of_sums(sums) == pytest.approx([found.corpus], abs=1e-12) and found.corpus == pytest.approx(1)


@needs_java
def test_every_metric_has_its_row(capfd: pytest.CaptureFixture[str]) -> None:
    rows = measure(CAPTIONS)
    assert list(rows) == NAMES
    for name in NAMES[:-1]:
        value, low, high = rows[name].value, rows[name].ci_low, rows[name].ci_high
        assert value is not None and low is not None and high is not None and low <= value <= high and rows[name].n == 4
    assert rows["METEOR"].value != rows["METEOR_image"].value
    assert rows["SPICE"].value is not None or "not installed in" in rows["SPICE"].note
    assert capfd.readouterr() == ("", ""), "pycocoevalcap's chatter"


@needs_java
def test_order_does_not_matter_and_a_subset_is_measured_alone() -> None:
    rows, backward = measure(CAPTIONS), measure(dict(reversed(CAPTIONS.items())))
    for name in NAMES[:-1]:
        assert rows[name].value == pytest.approx(backward[name].value, rel=1e-9)
    one = measure({7: CAPTIONS[7]})
    assert one["BLEU-1"].n == 1 and one["BLEU-1"].ci_low is None
    assert one["ROUGE-L"].value is not None and one["ROUGE-L"].ci_low is None


@needs_java
def test_awkward_captions_stay_with_their_images() -> None:
    """Line breaks of any kind, empty captions, METEOR's separator and letters beyond ASCII."""
    texts = {1: ["", "A dog's bowl"], 2: ["one\u2028two\r\nthree"], 3: ["café ||| x", "..."], 4: [""]}
    words = {1: ["", "a dog 's bowl"], 2: ["one two three"], 3: ["café | | | x", ""], 4: [""]}
    assert java.ptb_tokenize(texts) == words
    found = java.meteor({1: ["a ||| dog"], 2: ["a café"]}, {1: [""], 2: ["a ||| café"]})
    assert found.images[0] == 0 and found.images[1] == pytest.approx(1)


@needs_java
def test_meteors_process_is_shared_and_ended() -> None:
    process = java.start_meteor().meteor_p
    assert java.start_meteor().meteor_p is process and process.poll() is None
    java.close_meteor()
    assert process.poll() is not None and process.stdout.closed
    java.close_meteor()


def test_without_java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    without_java(monkeypatch, tmp_path)
    rows = measure(CAPTIONS)
    assert list(rows) == NAMES
    for name in ("METEOR", "METEOR_image"):
        assert rows[name].value is None and rows[name].note.startswith("unavailable: no java on PATH")
    assert rows["SPICE"].value is None
    for name in ("BLEU-4", "ROUGE-L", "CIDEr"):
        assert rows[name].value is not None
        assert rows[name].note.startswith("words by probing_vlp.data.text instead of the PTB tokenizer: no java")


def test_java_that_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    version = '[ "$1" = -version ] && { echo \'openjdk version "17.0.1"\' >&2; exit 0; }'
    without_java(monkeypatch, tmp_path, f"{version}\necho no memory >&2; exit 1")
    rows = measure(CAPTIONS)
    assert rows["METEOR"].note == "unavailable: METEOR's Java process failed (no memory)"
    assert "the PTB tokenizer failed (no memory)" in rows["BLEU-1"].note and rows["BLEU-1"].value is not None
    java.close_meteor()


@pytest.mark.parametrize(
    ("captions", "message"),
    [
        (((7, "a"), (8, "b")), "image 8 has no reference captions"),
        (((7, "a"), (7, "b")), "image 7 has more than one caption"),
        ((), "holds no captions"),
    ],
)
def test_unusable_dumps(captions: tuple[tuple[int, str], ...], message: str) -> None:
    dump = CaptionDump("d", tuple(CaptionRecord(*pair) for pair in captions))
    with pytest.raises(UserError, match=message):
        metrics.measure(dump, Context(REFERENCES, list))


@needs_java
def test_a_metric_that_is_left_out_changes_no_other() -> None:
    context = Context(REFERENCES, list, draws=200, without=frozenset({"METEOR", "SPICE"}))
    java.close_meteor()
    found = {row.name: row for row in metrics.measure(dump_of(CAPTIONS), context)}
    assert not java._running and list(found) == [name for name in NAMES if name[:3] not in ("MET", "SPI")]
    assert found == {name: row for name, row in measure(CAPTIONS).items() if name in found}


def test_every_metric_can_be_named() -> None:
    assert tuple(metrics.SCORERS) == METRICS
