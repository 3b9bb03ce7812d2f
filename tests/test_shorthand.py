"""What may be typed for the options of real commands."""

import json

import pytest

from probe import COMMANDS
from probing_vlp.cli import build_parser
from probing_vlp.errors import UserError
from probing_vlp.shorthand import as_declared, one_word

PARSERS = build_parser("probe.py", "", COMMANDS)[1]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("template --words man horse --count 1", ["template", "--words", '["man", "horse"]', "--count", "1"]),
        ("template --words=man,horse", ["template", "--words", '["man,horse"]']),
        ("verify --experiments [shuffled]", ["verify", "--experiments", "[shuffled]"]),
        ("verify --examples 3 12", ["verify", "--examples", "[3, 12]"]),  # integers
        ("template --words 3 12", ["template", "--words", '["3", "12"]']),  # words
        ("verify --scorer clip --scorer vilt", ["verify", "--scorers", '["clip", "vilt"]']),
        (
            "verify --experiments a --seed 2 --experiments b c",
            ["verify", "--seed", "2", "--experiments", '["a", "b", "c"]'],
        ),
        ("verify --trust-pickle", ["verify", "--data.trust_pickle"]),
        ("verify --no-such thing", ["verify", "--no-such", "thing"]),
    ],
)
def test_spelling(typed: str, meant: list[str]) -> None:
    words = typed.split()
    assert as_declared(words, PARSERS[words[0]]) == meant


def test_options_of_a_scorer_are_merged() -> None:
    words = ["verify", "--options.uniter.score", "rank", "--options.uniter.checkpoint", "u.pt"]
    made = as_declared(words, PARSERS["verify"])
    assert made[:2] == ["verify", "--options.uniter"]
    assert json.loads(made[2]) == {"score": "rank", "checkpoint": "u.pt"}


def test_commands_of_two_words() -> None:
    assert one_word(["regions", "inspect", "FILE"], COMMANDS) == ["regions-inspect", "FILE"]
    assert one_word(["dump", "regions"], COMMANDS) == ["dump", "regions"]
    with pytest.raises(UserError, match="no command 'regions nothing'; there are regions grid, regions inspect"):
        one_word(["regions", "nothing"], COMMANDS)
