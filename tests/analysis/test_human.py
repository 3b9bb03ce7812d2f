"""Human captions as a model of their own, and paired changes, by hand."""

from pathlib import Path

import pytest

from analysis.context import Context
from analysis.streams.human import human_rows
from probing_vlp.dump import CaptionDump
from probing_vlp.pages.results import Row
from probing_vlp.records import CaptionRecord

REFERENCES = {1: ("a dog runs", "dog"), 2: ("two cats sleep on a bed",), 9: ("of another image entirely",)}


def dump(name: str, *captions: tuple[int, str]) -> CaptionDump:
    return CaptionDump(name, tuple(CaptionRecord(*each) for each in captions))


CE = dump("ce", (1, "a dog"), (2, "a bed"))
SCST = dump("scst", (1, "a dog dog dog"), (2, "a bed bed"), (3, "a cat"))


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Context:
    return Context(REFERENCES, lambda: ["a b", "a c"], draws=50, cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def found(context: Context) -> dict[tuple[str, str], Row]:
    return {(row.name, row.model): row for row in human_rows([CE, SCST], context)}


def test_all_human_captions_of_the_images_count(found: dict[tuple[str, str], Row]) -> None:
    length = found["length", "human"]
    assert length.value == pytest.approx((3 + 1 + 6) / 3) and length.n == 3  # captions, not images
    # draws take an image with all its captions: 4 words in 2 captions, or 6 in 1
    assert (length.ci_low, length.ci_high) == (2, 6)
    assert found["nouns", "human"].value == pytest.approx((1 + 1 + 2) / 3)
    assert found["unigram_count:1:a", "human"].value == 2
    assert found["unigram_pos:noun:1:dog", "human"].value == pytest.approx(2 / 10)
    assert "of 10 left out" in found["perplexity", "human"].note


def test_changes_are_over_the_shared_images(found: dict[tuple[str, str], Row]) -> None:
    change = found["change:length", "scst"]
    assert change.value == pytest.approx(((4 - 2) + (3 - 2)) / 2) and change.n == 2  # image 3 is in one dump alone
    assert (change.ci_low, change.ci_high) == (1, 2)
    assert change.note == "minus ce, over the same images"
    assert ("change:length", "ce") not in found
    # 2 captions of 2 words against 3 captions of 10 words
    assert found["human_change:length", "ce"].value == pytest.approx(2 - 10 / 3)
    # a perplexity's change is one of perplexities, not of exponents: every word of the dumps but "a" is unknown
    own = found["change:perplexity_with_oov", "scst"]
    assert own.value is not None and own.value > 0 and own.unit == "perplexity"


def test_data_without_their_captions(context: Context) -> None:
    other = Context({}, context.corpus, draws=20, cache=context.cache, memory=dict(context.memory))
    rows = human_rows([dump("a", (1, "a dog")), dump("b", (1, "a cat"))], other)
    assert {row.name.split(":")[0] for row in rows} == {"change"} and {row.model for row in rows} == {"b"}


def test_tags_of_human_captions_are_kept(context: Context, found: dict[tuple[str, str], Row]) -> None:
    (kept,) = Path(context.cache).glob("tags-*.json")
    again = Context(REFERENCES, context.corpus, draws=50, cache=context.cache)
    again.once("tagger", lambda: None)  # nothing is left to tag but the dumps
    rows = human_rows([dump("d", (1, "a dog runs"), (2, REFERENCES[2][0]))], again)
    assert {row.model for row in rows} == {"human", "d"}
    kept.write_text("damaged")
    fresh = Context(REFERENCES, context.corpus, draws=50, cache=context.cache)
    assert {(row.name, row.model): row for row in human_rows([CE, SCST], fresh)} == found
