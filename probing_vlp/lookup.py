"""Names to objects: one literal table an extension point, imported only when a name is used."""

import difflib
import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from probing_vlp.errors import UserError


def lookup(name: str, table: Mapping[str, str], kind: str) -> Any:
    """The object that `name` stands for: a row of `table` ("module:Object"), or any "package.module:Object".

    Raises UserError with near misses and the whole list when the name is unknown, and with what its module says when
    that cannot be imported.
    """
    if name not in table and ":" not in name:
        near = difflib.get_close_matches(name, table, n=3, cutoff=0.5)
        hint = f"; did you mean {' or '.join(near)}?" if near else "."
        raise UserError(
            f"unknown {kind} '{name}'{hint} Known: {', '.join(sorted(table))}; or give your own as package.module:Class"
        )
    module_name, _, attribute = table.get(name, name).partition(":")
    if not module_name or not attribute or module_name.startswith("."):
        raise UserError(f"{kind} '{name}': write package.module:Class")
    module = _imported(module_name, f"{kind} '{name}'")
    if not hasattr(module, attribute):
        raise UserError(f"{kind} '{name}': module {module_name} has no {attribute}")
    return getattr(module, attribute)


def _imported(module_name: str, what: str) -> ModuleType:
    try:
        return importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # of somebody else's module, whatever it is
        lacks = isinstance(error, ModuleNotFoundError) and error.name
        if lacks and f"{module_name}.".startswith(f"{lacks}."):
            raise UserError(f"{what}: there is no module {module_name}; is its folder on PYTHONPATH?") from error
        raise UserError(
            f"{what}: module {module_name} cannot be imported ({short(error)}); see where with: "
            f"python -c 'import {module_name}'"
        ) from error


def short(error: BaseException) -> str:
    """The type of an exception and the first line that it says."""
    said = str(error).strip()
    return type(error).__name__ + (f": {said.splitlines()[0][:200]}" if said else "")
