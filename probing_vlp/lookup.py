"""Names to objects: one literal table an extension point, imported only when a name is used."""

import difflib
import importlib
from collections.abc import Mapping
from typing import Any

from probing_vlp.errors import UserError


def lookup(name: str, table: Mapping[str, str], kind: str) -> Any:
    """The object that `name` stands for: a row of `table` ("module:Object"), or any "package.module:Object".

    Raises UserError with near misses and the whole list when the name is unknown.
    """
    if name not in table and ":" not in name:
        near = difflib.get_close_matches(name, table, n=3, cutoff=0.5)
        hint = f"; did you mean {' or '.join(near)}?" if near else "."
        raise UserError(
            f"unknown {kind} '{name}'{hint} Known: {', '.join(sorted(table))}; or give your own as package.module:Class"
        )
    module_name, _, attribute = table.get(name, name).partition(":")
    if not module_name or not attribute:
        raise UserError(f"{kind} '{name}': write package.module:Class")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not module_name.startswith(error.name):
            raise
        raise UserError(f"{kind} '{name}': there is no module {module_name}; is its folder on PYTHONPATH?") from error
    if not hasattr(module, attribute):
        raise UserError(f"{kind} '{name}': module {module_name} has no {attribute}")
    return getattr(module, attribute)
