"""Lengths and nouns of captions whose tags are beyond doubt."""

import pytest

from analysis.context import Context
from analysis.reading import read, readings
from analysis.statistics.noun_counts import measure
from probing_vlp.dump import CaptionDump
from probing_vlp.pages.results import Row
from probing_vlp.records import CaptionRecord
from probing_vlp.tagging import load_tagger, tag

CAPTIONS = ["A man riding a horse in a field.", "an elephant and an elephant standing near elephants", ""]


@pytest.fixture(scope="module")
def context() -> Context:
    return Context({}, list)


def rows(context: Context, captions: list[str]) -> dict[str, Row]:
    dump = CaptionDump("d", tuple(CaptionRecord(i, text) for i, text in enumerate(captions)))
    return {row.name: row for row in measure(dump, context)}


def test_means_over_captions(context: Context) -> None:
    found = rows(context, CAPTIONS)
    assert found["length"].value == pytest.approx((8 + 8 + 0) / 3)  # the full stop is no word
    assert found["nouns"].value == pytest.approx((3 + 3 + 0) / 3)  # man horse field; elephant elephant elephants
    assert found["distinct_nouns"].value == pytest.approx((3 + 2 + 0) / 3)  # word forms: elephant, elephants
    assert {row.n for row in found.values()} == {3}
    assert all(
        row.ci_low <= row.value <= row.ci_high
        for row in found.values()
        if row.ci_low is not None and row.value is not None and row.ci_high is not None
    )


def test_batch_and_order_do_not_change_tags(context: Context) -> None:
    tagger = context.once("tagger", load_tagger)
    together = tag(CAPTIONS, tagger)
    assert [tag([caption], tagger)[0] for caption in CAPTIONS] == together
    assert tag(CAPTIONS[::-1], tagger) == together[::-1]
    assert tag([*CAPTIONS, *CAPTIONS], tagger) == [*together, *together]


def test_read_once_for_all_analyses(context: Context) -> None:
    dump = CaptionDump("d", tuple(CaptionRecord(i, text) for i, text in enumerate(CAPTIONS)))
    assert readings(dump, context) is readings(dump, context)
    assert readings(dump, context) == read(dump.records, context)


def test_tagger_alone_is_loaded() -> None:
    assert load_tagger().pipe_names == ["tok2vec", "tagger", "attribute_ruler"]
