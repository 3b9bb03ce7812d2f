"""Options of a scorer as YAML gives them, held against the types that its class declares."""

from collections.abc import Mapping
from inspect import Parameter
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args

from probing_vlp.errors import UserError

PLAIN = {str: "a text", bool: "true or false", int: "a whole number", float: "a number"}


def checked(what: str, options: Mapping[str, Any], parameters: Mapping[str, Parameter]) -> dict[str, Any]:
    """The options of `what`, each of the type that its parameter declares; UserError for any other.

    Only plain types and paths are held against: a class of somebody's own may make anything of an option.
    """
    return {
        key: _checked(what, key, value, parameters[key].annotation) if key in parameters else value
        for key, value in options.items()
    }


def as_path(what: str, key: str, value: Any) -> Any:
    """A path of a file, in which YAML may have seen a number; None stays None."""
    if value is None or (isinstance(value, str | Path) and str(value)):
        return value
    if type(value) in (int, float):
        return str(value)
    raise UserError(f"{what}: {key} is {value!r}, not a path; give one, or leave it out")


def _checked(what: str, key: str, value: Any, declared: Any) -> Any:
    kinds = set(get_args(declared)) if isinstance(declared, UnionType) else {declared}
    if not kinds <= {*PLAIN, Path, NoneType} or not kinds - {NoneType}:
        return value
    if Path in kinds:
        return as_path(what, key, value)
    # True is an int to Python, and 1 a float to everybody
    taken = {int, *kinds} if float in kinds else kinds
    if type(value) in taken or (str in kinds and isinstance(value, str)):
        return value
    wanted = " or ".join(said for kind, said in PLAIN.items() if kind in kinds)
    raise UserError(f"{what}: {key} is {value!r}; it must be {wanted}")
