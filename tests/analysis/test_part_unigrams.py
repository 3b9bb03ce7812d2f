"""Words by part of speech, where the parts are beyond doubt."""

import pytest

from analysis.context import Context
from analysis.reading import readings
from analysis.statistics.part_unigrams import counted_rows, counters, measure, word_uses
from probing_vlp.dump import CaptionDump
from probing_vlp.records import CaptionRecord

DUMP = CaptionDump("d", (CaptionRecord(1, "A man rides a horse."), CaptionRecord(2, "a man in a red shirt, a man")))


@pytest.fixture(scope="module")
def context() -> Context:
    return Context({}, list)


def test_shares_of_all_tagged_words(context: Context) -> None:
    rows = measure(DUMP, context)
    # 5 + 8 words, the full stop and the comma left out
    shares = {row.name.removeprefix("unigram_pos:"): row.value for row in rows}
    assert shares == {
        "noun:1:man": 3 / 13,
        "noun:2:horse": 1 / 13,
        "noun:3:shirt": 1 / 13,
        "verb:1:rides": 1 / 13,
        "adjective:1:red": 1 / 13,
        "function:1:a": 5 / 13,
        "function:2:in": 1 / 13,
    }
    assert rows[0].n == 2 and rows[0].note == "3 uses"
    # caption 1 has 1 man in 5 words, caption 2 has 2 in 8
    assert (rows[0].ci_low, rows[0].ci_high) == pytest.approx((1 / 5, 2 / 8))


def test_counters_give_the_same_shares(context: Context) -> None:
    found = counted_rows(counters(readings(DUMP, context), context), "d", context)
    plain = measure(DUMP, context)
    assert [(row.name, row.value, row.n, row.note) for row in found] == [
        (row.name, pytest.approx(row.value), row.n, row.note) for row in plain
    ]
    # u 1, 2 of w 5, 8: r = 3/13, residuals -2/13 and 2/13; 2/1 * (8/169) / 13**2
    reach = 1.959963985 * (2 * 8 / 169) ** 0.5 / 13
    assert found[0].ci_high == pytest.approx(3 / 13 + reach)


def test_a_form_counts_under_each_of_its_parts() -> None:
    tags = (("runs", "VERB"), ("runs", "NOUN"), ("two", "NUM"), ("!", "PUNCT"))
    assert word_uses(tags) == {"verb:runs": 1, "noun:runs": 1, "other:two": 1}


def test_nothing_of_nothing(context: Context) -> None:
    assert measure(CaptionDump("d", (CaptionRecord(1, "..."), CaptionRecord(2, ""))), context) == []
