"""Bad endings: what counts as one, and what only looks like one."""

from drift_toys import EMPTY, read_plainly

from analysis.context import Context
from analysis.drift.fragments import columns
from analysis.reading import read
from probing_vlp.records import CaptionRecord

BROKEN = ["a cat with a", "a dog and", "a group of", "a man that is", "a bird on the.", "a plate next to", "a cat that"]
WHOLE = [
    "a cat",
    "a man looking up",
    "a plane with its gear down",
    "the room they live in",
    "a a a dog",
    "",
    "...",
    "猫",
]


def test_closed_list() -> None:
    assert columns(read_plainly(BROKEN), EMPTY)["bad_ending"].tolist() == [1] * len(BROKEN)
    assert columns(read_plainly(WHOLE), EMPTY)["bad_ending"].tolist() == [0] * len(WHOLE)


def test_empty_captions_are_counted_apart() -> None:
    assert columns(read_plainly(WHOLE), EMPTY)["empty"].tolist() == [0, 0, 0, 0, 0, 1, 1, 0]


def test_by_tag() -> None:
    captions = {"a cat on a couch and.": 1, "a group of": 1, "a cat on the couch.": 0, "...": 0, "": 0}
    found = read([CaptionRecord(i, text) for i, text in enumerate(captions)], Context({}, list))
    assert columns(found, EMPTY)["bad_ending_tag"].tolist() == list(captions.values())
