"""What may be typed, as the parser declares it.

regions inspect FILE             the command regions-inspect
--scorer A --scorer B            --scorers ["A", "B"]; where scorers have weights, {"A": 1.0, "B": 1.0}
--skip metrics drift             --skip ["metrics", "drift"]: an option that takes a list takes the words up to the next
--control A --control B          --control ["A", "B"]
--trust-pickle, --regions FILE   --data.trust_pickle, --data.regions FILE: hyphens, and options of the data
--options.uniter.score rank      merged with other options of the same scorer
"""

import json
from argparse import Action
from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml
from jsonargparse import ArgumentParser

from probing_vlp.errors import UserError


def one_word(words: list[str], commands: Mapping[str, Any]) -> list[str]:
    """`regions inspect` as the command `regions-inspect`; `regions` alone lists what begins with it."""
    if "-".join(words[:2]) in commands:
        return ["-".join(words[:2]), *words[2:]]
    family = {name: command for name, command in commands.items() if words and name.startswith(f"{words[0]}-")}
    if not family or words[0] in commands:
        return words
    if words[1:2] in ([], ["-h"], ["--help"]):
        for name, command in family.items():
            print(f"{name.replace('-', ' ', 1):<20} {command.help}")
        raise SystemExit(0)
    names = ", ".join(name.replace("-", " ", 1) for name in family)
    raise UserError(f"no command '{' '.join(words[:2])}'; there are {names}; see --help")


def as_declared(words: list[str], parser: ArgumentParser) -> list[str]:
    """The words of a command in the spelling of its parser; what the parser does not know stays as it is."""
    known = {option: action for action in parser._actions for option in action.option_strings}
    left, given = list(words), list[str]()
    named: list[str] = []
    nested: dict[str, dict[str, Any]] = {}
    while left:
        word = left.pop(0)
        name, equals, value = word.partition("=")
        path = name.split(".")
        if name == "--scorer" and name not in known and "--scorers" in known:
            named.append(value if equals else left.pop(0) if left else "")
        elif path[0] == "--options" and len(path) == 3 and name not in known:
            # jsonargparse would let each key of an inner dictionary take the place of those before it
            nested.setdefault(path[1], {})[path[2]] = _value(name, value if equals else left.pop(0) if left else "")
        elif name.startswith("--") and _origin(known.get(option := _spelled(name, known))) is list:
            values = [value] if equals else list(takewhile(lambda one: not one.startswith("--"), left))
            del left[: 0 if equals else len(values)]
            listed = _as_list(name, values, get_args(known[option]._typehint)[0])  # type: ignore[attr-defined]
            given += [option, _joined(given, option, listed)]
        else:
            given.append(_spelled(name, known) + equals + value if name.startswith("--") else word)
    for scorer, options in nested.items():
        given += [f"--options.{scorer}", json.dumps(options)]
    if named:
        weighted = _origin(known["--scorers"]) is dict
        given += ["--scorers", json.dumps(dict.fromkeys(named, 1.0) if weighted else named)]
    return given


def _joined(given: list[str], option: str, listed: str) -> str:
    """A list with what was given of it before, which is taken out: jsonargparse would keep the last alone."""
    if option not in given:
        return listed
    at = given.index(option)
    before = given[at + 1]
    del given[at : at + 2]
    return json.dumps(_value(option, before) + _value(option, listed))


def _spelled(name: str, known: Mapping[str, Action]) -> str:
    plain = name[2:].replace("-", "_")
    return next((full for full in (name, f"--{plain}", f"--data.{plain}") if full in known), name)


def _origin(action: Action | None) -> Any:
    return get_origin(getattr(action, "_typehint", None))


def _value(option: str, text: str) -> Any:
    """A value as YAML reads it."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise UserError(f"{option} {text}: is no value that YAML reads; put it in quotes: {option} '\"...\"'") from None


def _as_list(option: str, values: list[str], kind: type) -> str:
    """The words of a list as JSON; what is a list already stays."""
    if len(values) == 1 and values[0].startswith("["):
        return values[0]
    return json.dumps(values if issubclass(kind, str | Path) else [_value(option, value) for value in values])
