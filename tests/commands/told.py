"""Chapters as the programs read them: commands that exist, with options that exist."""

from collections.abc import Sequence
from typing import Any

from analysis.__main__ import COMMANDS as ANALYSIS
from analysis.__main__ import name_dumps
from probe import COMMANDS as PROBE
from probing_vlp.cli import build_parser
from probing_vlp.commands.chapters import Chapter
from probing_vlp.shorthand import as_declared, one_word
from train import COMMANDS as TRAIN

PROGRAMS = {"train.py": TRAIN, "probe.py": PROBE, "analysis": ANALYSIS}


def parse(story: Sequence[Chapter]) -> list[Any]:
    """The options of each chapter; an error if a program does not know one."""
    found = []
    for _, words in story:
        program, arguments = (words[1], name_dumps(words[2:])) if words[0] == "-m" else (words[0], words[1:])
        parser, commands = build_parser(program, "", PROGRAMS[program])
        arguments = one_word(list(arguments), PROGRAMS[program])
        found.append(parser.parse_args(as_declared(arguments, commands[arguments[0]])))
        assert found[-1].command == arguments[0]
    return found
