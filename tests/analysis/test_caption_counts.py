"""Empty captions, captions of another script, images with several: counted, or refused."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from analysis.context import Context
from analysis.reading import Reading
from analysis.statistics.caption_counts import columns, counted_rows, counters, refuse
from probing_vlp.data.text import is_foreign, tokenize
from probing_vlp.errors import UserError
from probing_vlp.records import CaptionRecord


def readings(captions: Sequence[str]) -> list[Reading]:
    return [Reading(i // 2, text, tuple(tokenize(text)), ()) for i, text in enumerate(captions)]


@pytest.mark.parametrize(
    ("caption", "foreign"),
    [
        ("a dog", False),
        ("", False),
        ("12 !?", False),
        ("ein großer Hund über dem Zaun", False),
        ("a sign that says собака", False),  # 13 Latin letters, 6 others
        ("собака", True),
        ("犬がベンチに座っている a", True),
        ("a б", False),  # one of each
        ("😀😀", False),  # no letters
    ],
)
def test_script(caption: str, foreign: bool) -> None:
    assert is_foreign(caption) == foreign


def test_columns_and_images() -> None:
    context = Context({}, list)
    read = readings(["a dog", "", "...", "собака", "x"])
    found = columns(read, context)
    assert found["empty"].tolist() == [0, 1, 1, 0, 0] and found["foreign"].tolist() == [0, 0, 0, 1, 0]
    # images 0, 0, 1, 1, 2
    assert [(row.name, row.value, row.n) for row in counted_rows(counters(read, context), "d", context)] == [
        ("images", 3, 5),
        ("repeated_images", 2, 5),
    ]


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([(0, "a dog"), (1, "  ")], r"caption 2 \(image 1\) is empty; mend the dump"),
        ([(0, "a dog"), (1, "!?")], r"caption 2 \(image 1\) is empty"),
        ([(0, "собака")], r"caption 1 \(image 0\) is of another script"),
        ([(5, "a dog"), (5, "a cat")], r"caption 2 \(image 5\) is not the first of its image"),
    ],
)
def test_refused(records: list[tuple[int, str]], message: str) -> None:
    with pytest.raises(UserError, match=message):
        list(refuse(Path("d.jsonl"), [CaptionRecord(*each) for each in records]))


def test_sound_captions_pass() -> None:
    records = [CaptionRecord(1, "a dog"), CaptionRecord(2, "un café")]
    assert list(refuse(Path("d.jsonl"), records)) == records
