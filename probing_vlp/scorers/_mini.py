"""A mini model, trained here, in a folder: the authors' own files, and `mini.json` that says which is which.

    mini.json   {"format": "mini-zoo", "version": 1, "arch", "note", "files": {"checkpoint", "config", "vocab"}, ...}

`load_scorer("uniter", checkpoint=FOLDER)` needs the folder alone.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from probing_vlp.errors import UserError
from probing_vlp.files import atomic_write, read_bytes

NAME, FORMAT, NOTE = "mini.json", "mini-zoo", "mini, trained here"


def read_mini(folder: str | Path | None) -> dict[str, Any] | None:
    """What `mini.json` of a folder says; None if `folder` is no folder or holds no such file."""
    path = Path(folder) / NAME if folder is not None else Path(NAME)
    if folder is None or not path.is_file():
        return None
    try:
        about = json.loads(read_bytes(path, "mini model description", "train one with: python train.py scorer"))
        if about["format"] != FORMAT or not isinstance(about["arch"], str):
            raise ValueError(f"format {about['format']}")
        return {**about, "files": {str(key): str(name) for key, name in about["files"].items()}}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: not the description of a mini model ({error!r}); train it again") from None


def mini_files(name: str, folder: str | Path | None) -> dict[str, Path]:
    """The options `checkpoint`, `config`, `vocab` of the scorer `name` for a mini model's folder; else empty.

    Raises UserError where the folder holds another model, or lacks one of its files.
    """
    about = read_mini(folder)
    if about is None or folder is None:
        return {}
    if about["arch"] != name:
        raise UserError(f"{folder}: holds a mini {about['arch']}, not {name}; give it as the scorer {about['arch']}")
    files = {key: Path(folder) / file for key, file in about["files"].items()}
    for path in files.values():
        if not path.exists():
            raise UserError(f"{path}: is missing, but {NAME} beside it names it; train the model again")
    return files


def write_mini(folder: Path, arch: str, files: Mapping[str, str], about: Mapping[str, Any]) -> None:
    """Describe a mini model whose files are in `folder`."""
    row = {"format": FORMAT, "version": 1, "arch": arch, "note": NOTE, "files": dict(files), **about}
    atomic_write(folder / NAME, (json.dumps(row, indent=1, ensure_ascii=False) + "\n").encode())
