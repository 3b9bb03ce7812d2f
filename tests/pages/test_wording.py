"""Numbers and lists in words."""

import pytest

from probing_vlp.pages.wording import interval, listing, number


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.3871, "0.387"),
        (0.00123, "0.0012"),
        (9.123, "9.12"),
        (9.996, "10.0"),
        (40.26, "40.3"),
        (99.96, "100"),
        (1204.4, "1,204"),
        (-0.5, "\u22120.500"),
    ],
)
def test_numbers_are_written_by_one_rule(value: float, text: str) -> None:
    assert number(value) == text


def test_sentences() -> None:
    assert number(0.012, signed=True) == "+0.012" and interval(0.001, 0.0211) == "0.001 to 0.021"
    assert listing(["a"]) == "a" and listing(["a", "b"]) == "a and b" and listing(["a", "b", "c"]) == "a, b and c"
