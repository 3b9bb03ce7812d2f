"""Top words by hand."""

import pytest

from analysis.context import Context
from analysis.statistics.unigrams import measure
from probing_vlp.dump import CaptionDump
from probing_vlp.records import CaptionRecord


def test_counts_and_shares() -> None:
    dump = CaptionDump("d", (CaptionRecord(1, "A dog, a cat."), CaptionRecord(2, "a dog b")))
    rows = measure(dump, Context({}, list))
    # 7 words: a 3, dog 2, then b and cat, 1 each, by the alphabet
    assert [(row.name, row.value) for row in rows[::2]] == [
        ("unigram_count:1:a", 3),
        ("unigram_count:2:dog", 2),
        ("unigram_count:3:b", 1),
        ("unigram_count:4:cat", 1),
    ]
    assert [row.value for row in rows[1::2]] == pytest.approx([3 / 7, 2 / 7, 1 / 7, 1 / 7])
    assert all(row.n == 2 for row in rows)
    # caption 1 has 2 a in 4 words, caption 2 has 1 in 3: draws lie between 1/3 and 1/2
    assert rows[1].ci_low == pytest.approx(1 / 3) and rows[1].ci_high == pytest.approx(1 / 2)


def test_ten_at_most_and_none_of_nothing() -> None:
    many = CaptionDump("d", (CaptionRecord(1, " ".join(f"w{i:02}" for i in range(30))),))
    assert [row.name for row in measure(many, Context({}, list))][-1] == "unigram_share:10:w09"
    assert measure(CaptionDump("d", (CaptionRecord(1, "..."),)), Context({}, list)) == []
