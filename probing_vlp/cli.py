"""One command line for every program: sub-commands from typed dataclasses, YAML files and overrides.

Each command is a dataclass (its fields are the options, their docstrings the help) and a function that takes it.
Precedence, lowest first: defaults, `--config FILE`, `--key value` in the order given.
"""

import argparse
import difflib
import importlib
import itertools
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from jsonargparse import ArgumentParser, set_parsing_settings

from probing_vlp import __version__
from probing_vlp.errors import UserError, report_user_errors
from probing_vlp.shorthand import as_declared, one_word

set_parsing_settings(docstring_parse_attribute_docstrings=True)


class Command(NamedTuple):
    """A sub-command: the dataclass of its options, what runs it, one line of help.

    Either may be "module:Object", which is imported when the command is asked for: a command starts without what the
    others need.
    """

    config: type | str
    run: Callable[[Any], None] | str
    help: str
    first: str = ""
    """Options whose values may stand alone as the first words: "scorer" lets `check-scorer clip` stand for
    `check-scorer --scorer clip`, "a b" lets `similarity compare A B` stand for `--a A --b B`."""


def main(program: str, description: str, commands: Mapping[str, Command], argv: Sequence[str] | None = None) -> None:
    """Parse and run; a user's mistake ends in one line and exit code 2."""
    with report_user_errors():
        words = one_word(list(sys.argv[1:] if argv is None else argv), commands)
        if words and words[0] in commands:
            words = [words[0], *_named(words[1:], commands[words[0]].first.split())]
        parser, subparsers = build_parser(program, description, commands, words[:1])
        try:
            sub = subparsers.get(words[0]) if words else None
            chosen = parser.parse_args(as_declared(words, sub) if sub else words)
            name = chosen.command
            options = vars(parser.instantiate(chosen)[name])
        except argparse.ArgumentError as error:
            raise UserError(_explain(str(error), subparsers, sys.argv[1:] if argv is None else argv)) from None
        options.pop("config", None)
        found(commands[name].run)(found(commands[name].config)(**options))


def found(named: Any) -> Any:
    """What "module:Object" names; anything else is itself."""
    if not isinstance(named, str):
        return named
    module, _, name = named.partition(":")
    return getattr(importlib.import_module(module), name)


def build_parser(
    program: str, description: str, commands: Mapping[str, Command], asked: Sequence[str] | None = None
) -> tuple[ArgumentParser, dict[str, ArgumentParser]]:
    """The parser of a program, and the parser of each of its sub-commands: the options of those `asked` for, or all."""
    parser = ArgumentParser(
        prog=program, description=description, version=__version__, exit_on_error=False, allow_abbrev=False
    )
    group = parser.add_subcommands(dest="command", required=True)
    subparsers = {}
    for name, command in commands.items():
        sub = ArgumentParser(description=command.help, exit_on_error=False, allow_abbrev=False)
        if asked is None or name in asked:
            sub.add_argument("--config", action="config", help="YAML file with any of the options below")
            sub.add_class_arguments(found(command.config), None)
        for action in sub._actions:
            if getattr(action, "_typehint", None) is bool:
                action.nargs, action.const = "?", True  # `--resume` alone means `--resume true`
        group.add_subcommand(name, sub, help=command.help)
        subparsers[name] = sub
    return parser, subparsers


def _named(words: list[str], names: Sequence[str]) -> list[str]:
    """The first words given the names of the options that they are values of."""
    bare = len(list(itertools.takewhile(lambda word: not word.startswith("-"), words[: len(names)])))
    return [part for name, word in zip(names, words[:bare], strict=False) for part in (f"--{name}", word)] + words[
        bare:
    ]


def _explain(message: str, subparsers: Mapping[str, ArgumentParser], argv: Sequence[str]) -> str:
    """The parser's message in one line: near misses for an option that does not exist, the file's name for bad YAML."""
    files = " or ".join(re.findall(r"--config(?:=|\n)(.*)", "\n".join(argv)))
    if message.startswith("Problems parsing config"):
        said = message.partition(": ")[2].replace('"<unicode string>", ', "")
        return f"{files}: not a YAML file of options: {said}"
    typed = re.search(r"nrecognized arguments: --([\w.-]+)", message)
    unknown = typed or re.search(r"does not accept option '([^']+)'", message)
    if not unknown:
        return message
    chosen = [sub for name, sub in subparsers.items() if name in argv[:1]] or subparsers.values()
    known = {option.removeprefix("--") for sub in chosen for action in sub._actions for option in action.option_strings}
    near = [f"--{option}" for option in difflib.get_close_matches(unknown[1], known, n=3, cutoff=0.6)]
    return (
        f"{'' if typed else f'{files}: '}unknown option {'--' if typed else ''}{unknown[1]}; "
        + (f"did you mean {' or '.join(near)}? " if near else "")
        + "see --help"
    )
