"""The beginning and the connective that rose most."""

from drift_toys import context_of, dump_of, read_plainly

from analysis.drift.favourite_rows import favourite_rows
from analysis.drift.favourites import begins, connective_shares, risen, risen_prefix, uses

HUMAN = ["a man on a horse", "a dog near a cat", "a cat", "two birds in a tree"]
PRAISED = ["a image image of a man", "a image image of a dog", "a image image of a cat", "a man near a tree"]


def test_prefix_is_as_long_as_keeps_its_rise() -> None:
    assert risen_prefix(read_plainly(PRAISED), [read_plainly(HUMAN)]) == "a image image of a"
    longer = [text.replace("of a", f"of {i}") for i, text in enumerate(PRAISED)]
    assert risen_prefix(read_plainly(longer), [read_plainly(HUMAN)]) == "a image image of"
    assert risen_prefix(read_plainly(["a", "", "b c"]), [read_plainly(HUMAN)]) == ""


def test_a_prefix_that_the_others_have_too_has_not_risen() -> None:
    assert risen({"x": 0.6, "y": 0.3}, [{"x": 0.5}, {"x": 0.1, "y": 0.1}]) == ("y", 0.3 - 0.1)
    assert risen({}, [{}]) == ("", 0.0)


def test_connectives_are_shares_of_words() -> None:
    assert connective_shares(read_plainly(["a cat near a dog near", "a bed"])) == {"near": 2 / 8}
    assert connective_shares(read_plainly([""])) == {}
    assert uses(read_plainly(["near near", "a"]), "near").tolist() == [2, 0]
    assert begins(read_plainly(["a cat sat", "a cats sat", "a"]), "a cat").tolist() == [1, 0, 0]


def test_rows_by_hand() -> None:
    context = context_of([[text] for text in HUMAN])
    first = dump_of("ce", ["a man riding a horse", "a dog on a bed", "a cat on a bed", "birds in a tree"])
    after = dump_of("scst", [text.replace(" of ", " near ") for text in PRAISED])
    found = {row.name: row for row in favourite_rows(after, first, dump_of("human", HUMAN), context)}
    assert found["drift:prefix"].value == 3 / 4
    assert found["drift:prefix"].note == '"a image image near a" begins captions of scst 75.0%, ce 0.0%, human 0.0%'
    assert found["drift:connective_rate"].value == 1  # near, once a caption
    assert found["drift_change:connective_rate"].value == 1
    # 4 of 23 words; the humans have 1 of 17
    assert abs((found["drift:connective"].value or 0) - (4 / 23 - 1 / 17)) < 1e-12
    assert found["drift:connective"].note == '"near", uses a caption: scst 1.00, ce 0.00, human 0.25'


def test_nothing_to_compare_with() -> None:
    empty = dump_of("human", [])
    rows = favourite_rows(dump_of("d", ["a cat on a bed"]), None, empty, context_of([]))
    assert [row.value for row in rows] == [None] * 3
