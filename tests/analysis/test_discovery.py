"""Patterns planted in human captions are found, in any order and in any half; in human captions there are none."""

import random
from pathlib import Path

import numpy as np
import pytest

from analysis.context import Context
from analysis.patterns import found_patterns
from analysis.patterns.discovery import discover
from analysis.patterns.found import Discovery, FoundPattern, lift_of
from analysis.patterns.ngrams import Gram, count_grams
from analysis.patterns.phrases import NOUN, PHRASE, Word, classify_words, units_of
from analysis.reading import Reading, read
from probing_vlp.data.embedded import coco_corpus
from probing_vlp.dump import CaptionDump, write_dump
from probing_vlp.records import CaptionRecord

IMAGES = 300
Words = list[list[Word]]


@pytest.fixture(scope="module")
def human() -> tuple[Context, list[Reading], list[Reading]]:
    """Two human captions of each image, by different people."""
    by_image: dict[int, list[str]] = {}
    for image, text in coco_corpus("val"):
        by_image.setdefault(image, []).append(text)
    chosen = sorted(by_image)[:IMAGES]
    context = Context({image: tuple(by_image[image][1:2]) for image in chosen}, list, draws=20)
    first, second = (read([CaptionRecord(image, by_image[image][i]) for image in chosen], context) for i in (0, 1))
    return context, first, second


def words(readings: list[Reading]) -> Words:
    return [classify_words(reading.tags) for reading in readings]


def of_kind(found: Discovery, kind: str) -> list[FoundPattern]:
    return [pattern for pattern in found.patterns if pattern.kind == kind]


def begun(captions: Words, share: float = 0.6) -> Words:
    """ "a closeup of" before a share of the captions, and "a closeup closeup of" before some of these."""
    given: Words = []
    for i, caption in enumerate(captions):
        closeup = [("closeup", NOUN)] * (2 if i % 7 == 0 else 1)
        given.append([("a", "DET"), *closeup, ("of", "REL"), *caption] if i % 10 < 10 * share else caption)
    return given


def joined(captions: Words, word: Word) -> Words:
    """All that stands between the noun phrases of a caption replaced by one word."""
    given: Words = []
    for caption in captions:
        phrases = [[("a", "DET"), (unit.nouns[-1], NOUN)] for unit in units_of(caption) if unit.nouns]
        given.append([place for phrase in phrases for place in (*phrase, word)][:-1])
    return given


def test_n_grams_are_counted_by_captions() -> None:
    captions = [[("DET", ""), ("NOUN", "dog"), ("NOUN", "dog")], [("NOUN", "dog")], []]
    found = {gram.labels: gram for gram in count_grams(captions, [[("DET", ""), ("NOUN", "")]], least=1)}
    assert found["NOUN",] == Gram(("NOUN",), 2, 1)
    assert found["dog",] == Gram(("dog",), 2, 0)
    assert found["DET", "NOUN"] == Gram(("DET", "NOUN"), 1, 1)
    assert found["DET", "dog", "NOUN"].found == 1  # every place shows its class or its word
    # 3 of one place (DET, NOUN, dog), 2 of "DET x", 4 of "x x", 4 of "DET x x"; none crosses captions
    assert len(found) == 3 + 2 + 4 + 4
    at_start = {gram.labels: gram.found for gram in count_grams(captions, [], least=2, at_start=True)}
    assert at_start == {}  # the captions begin differently
    assert count_grams([], [], 1) == [] and count_grams([[]], [[]], 1) == []


def test_lift() -> None:
    """60 of 100 against none of 50: (60.5 / 101) / (0.5 / 51) = .599010 / .0098039 = 61.099, times or divided by
    exp(1.96 sqrt(1 / 60.5 - 1 / 101 + 1 / .5 - 1 / 51)) = exp(1.96 sqrt(1.987020)) = 15.843."""
    lift = lift_of(60, 100, 0, 50)
    assert lift == (pytest.approx(61.099, rel=1e-4), pytest.approx(3.8565, rel=1e-3), pytest.approx(968.0, rel=1e-3))
    assert lift_of(0, 0, 0, 0).value == 1
    row = found_patterns.lift_row("found_part:1:x", "d", np.r_[np.ones(60), np.zeros(40)], np.zeros(50))
    assert (row.name, row.n, row.value, row.ci_low, row.ci_high) == ("found_lift:1:x", 100, *lift)


def test_planted_prefix(human: tuple[Context, list[Reading], list[Reading]]) -> None:
    _, first, second = human
    found = discover(begun(words(first)), words(second))
    prefix = of_kind(found, "prefix")[0]
    assert prefix.regex == "a+CLOSEUP.P+of"
    assert prefix.coverage == pytest.approx(0.6, abs=0.01) and prefix.lift > 20
    assert '"a closeup of"' in prefix.steps[1] and "2 wordings merged" in prefix.steps[1]
    assert of_kind(found, "pattern")[0].regex.startswith("a+CLOSEUP.P+of+(")
    assert not [part for part in of_kind(found, "part") if "closeup" in part.regex]  # the prefix says it


def test_planted_connective(human: tuple[Context, list[Reading], list[Reading]]) -> None:
    _, first, second = human
    captions = words(first)
    planted = joined(captions[: IMAGES * 6 // 10], ("but", "CONJ")) + captions[IMAGES * 6 // 10 :]
    found = discover(planted, words(second))
    part = of_kind(found, "part")[0]
    assert "but" in part.regex and part.coverage > 0.5 and part.lift > 20
    assert "(but)?" in of_kind(found, "pattern")[0].regex
    whole = discover(joined(captions, ("but", "CONJ")), words(second))
    assert "(NOUN.P)*+but" in of_kind(whole, "prefix")[0].regex
    assert of_kind(whole, "pattern")[0].regex.endswith("((but)?+NOUN.P)*")


def test_the_papers_template_is_found_as_the_paper_writes_it(
    human: tuple[Context, list[Reading], list[Reading]],
) -> None:
    _, first, second = human
    start = [("a", "DET"), ("image", NOUN), ("image", NOUN), ("of", "REL")]
    planted = [[*start, *caption] for caption in joined(words(first), ("near", "REL"))]
    found = discover(planted, words(second))
    assert of_kind(found, "prefix")[0].regex == "a+IMAGE.P+of"
    pattern = of_kind(found, "pattern")[0]
    assert pattern.regex == "a+IMAGE.P+of+((near)?+NOUN.P)*" and pattern.coverage == 1


def test_planted_pile_of_nouns(human: tuple[Context, list[Reading], list[Reading]]) -> None:
    _, first, second = human
    planted = [
        [("a", "DET"), *[(noun, NOUN) for _, noun in zip(range(6), nouns * 6, strict=False)]]
        for nouns in ([word for word, name in caption if name == NOUN] or ["man"] for caption in words(first))
    ]
    found = discover(planted, words(second))
    assert of_kind(found, "part")[0].regex.count("NOUN") >= 3
    assert of_kind(found, "pattern")[0].regex == "(NOUN.P)*"


def test_nothing_in_human_captions(human: tuple[Context, list[Reading], list[Reading]]) -> None:
    _, first, second = human
    found = discover(words(first), words(second))
    assert max(pattern.lift for pattern in found.patterns) < 1.5
    assert [pattern.kind for pattern in found.patterns] == ["prefix", "pattern"]  # what is usual is told


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_halves_of_a_resample_have_the_same_top_patterns(
    seed: int, human: tuple[Context, list[Reading], list[Reading]]
) -> None:
    _, first, second = human
    planted, usual = begun(joined(words(first), ("near", "REL")), 0.8), words(second)
    drawn = random.Random(seed).choices(planted, k=2 * IMAGES)
    for half in (drawn[:IMAGES], drawn[IMAGES:]):
        found = discover(half, usual)
        assert of_kind(found, "prefix")[0].regex == "a+CLOSEUP.P+of"
        assert of_kind(found, "pattern")[0].regex == "a+CLOSEUP.P+of+((near)?+NOUN.P)*"


def test_order_does_not_matter(human: tuple[Context, list[Reading], list[Reading]]) -> None:
    _, first, second = human
    planted, usual = begun(words(first)), words(second)
    shuffled, other = planted[:], usual[:]
    random.Random(1).shuffle(shuffled)
    random.Random(2).shuffle(other)
    assert discover(shuffled, other).patterns == discover(planted, usual).patterns


def test_odd_captions() -> None:
    assert discover([], []).patterns == () == discover([[], []], [[]]).patterns
    signs: Words = [[("(", "OTHER"), ("a+b.p", "NOUN"), ("...", "OTHER")]] * 30
    assert all(pattern.coverage == 1 for pattern in discover(signs, []).patterns)
    long: Words = [[("a", "DET"), ("man", NOUN), ("near", "REL")] * 3000 + [("who", "OTHER")]] * 4
    assert discover(long, [[("a", "DET"), ("dog", NOUN)]] * 4).patterns


def test_rows(human: tuple[Context, list[Reading], list[Reading]]) -> None:
    context, first, _ = human
    records = [CaptionRecord(r.image_id, f"a closeup of {r.caption}" if i % 5 else r.caption)
               for i, r in enumerate(first)]  # fmt: skip
    rows = {row.name: row for row in found_patterns.measure(CaptionDump("d", tuple(records)), context)}
    share, lift = rows["found_prefix:1:a+CLOSEUP.P+of"], rows["found_lift:1:a+CLOSEUP.P+of"]
    assert share.value == pytest.approx(0.8, abs=0.01) and share.n == IMAGES and "e.g. a closeup of" in share.note
    assert share.ci_low is not None and share.ci_low < 0.8
    assert lift.value is not None and lift.value > 20
    assert lift.ci_low is not None and lift.ci_high is not None and lift.ci_low < lift.value < lift.ci_high


def test_shards_have_the_same_sample_and_the_same_sums(
    human: tuple[Context, list[Reading], list[Reading]],
) -> None:
    context, first, _ = human
    whole = found_patterns.sample(first, 50)
    parts = found_patterns.sample(first[:99], 50) + found_patterns.sample(first[:98:-1], 50)
    assert found_patterns.sample(parts, 50) == whole and len(whole) == 50
    discovery, usual = found_patterns.find(first, context)
    assert len(usual) == IMAGES
    columns = found_patterns.columns(first, discovery)
    halves = [found_patterns.columns(part, discovery) for part in (first[:99], first[99:])]
    assert all(np.array_equal(columns[name], np.r_[halves[0][name], halves[1][name]]) for name in columns)
    assert all(PHRASE in name for name in columns)


def test_another_dump_as_the_baseline(human: tuple[Context, list[Reading], list[Reading]], tmp_path: Path) -> None:
    """A habit that both dumps have is none."""
    context, first, _ = human
    begun = CaptionDump("begun", tuple(CaptionRecord(r.image_id, f"a closeup of {r.caption}") for r in first[:60]))
    write_dump(tmp_path / "ce.jsonl", {"name": "ce"}, begun.records)
    other = Context(context.references, list, draws=20, memory={"tagger": context.memory["tagger"]})
    found_patterns.use_baseline(other, tmp_path / "ce.jsonl")
    lifts = [row for row in found_patterns.measure(begun, other) if row.name.startswith("found_lift")]
    assert {row.value for row in lifts} == {1} and all(row.note.endswith("of 60 captions of ce") for row in lifts)


def test_without_references_the_corpus_is_the_baseline(human: tuple[Context, list[Reading], list[Reading]]) -> None:
    context, first, second = human
    bare = Context({}, lambda: [reading.caption for reading in second], memory=context.memory)
    assert {r.caption for r in found_patterns.baseline(first, bare)} == {r.caption for r in second}
    assert found_patterns.baseline(first, Context({}, list, memory={})) == []
