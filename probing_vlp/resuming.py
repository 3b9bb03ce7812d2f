"""Going on with a run: its options as they are written down, and whether those given now are the same."""

import dataclasses
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from probing_vlp.errors import UserError


def check_same(
    path: Path, before: Mapping[str, Any], now: Mapping[str, Any], free: Collection[str], place: str
) -> None:
    """UserError naming the options that differ from those that the run at `path` was begun with.

    `free` ones may differ, by their names or those of their groups; `place` is the option that gives another folder.
    """
    old, new = _flat(before), _flat(now)
    bound = (key for key in sorted(old.keys() | new.keys()) if key not in free and key.split(".")[0] not in free)
    differ = [key for key in bound if old.get(key) != new.get(key)]
    if differ:
        raise UserError(
            f"{path}: was begun with other options ({', '.join(f'{key}: {old.get(key)}' for key in differ[:4])}"
            f"{', ...' if len(differ) > 4 else ''}); give the same, as in {path / 'config.yaml'}, or another {place}"
        )


def _flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in config.items():
        flat.update(
            _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) and value else {f"{prefix}{key}": value}
        )
    return flat


def plain(value: Any) -> Any:
    """A config as plain lists, dicts and scalars; without `resume`, so that a resumed run leaves the very same
    files."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: plain(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if field.name != "resume"
        }
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
