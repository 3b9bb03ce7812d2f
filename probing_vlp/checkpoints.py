"""Checkpoints: one safetensors file whose metadata carries the JSON state.

Written aside, flushed and renamed, so a kill leaves the last whole one; nothing is ever unpickled.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_safetensors

from probing_vlp.errors import UserError
from probing_vlp.files import atomic_write


class Checkpoint:
    """Tensors by "group.name" and a JSON state."""

    def __init__(self, tensors: Mapping[str, torch.Tensor], state: Mapping[str, Any]) -> None:
        self.tensors, self.state = dict(tensors), dict(state)

    def group(self, name: str) -> dict[str, torch.Tensor]:
        """The tensors of one group, its prefix taken off."""
        return {key[len(name) + 1 :]: value for key, value in self.tensors.items() if key.startswith(name + ".")}

    @staticmethod
    def flatten(**groups: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """State dicts by group name to one flat dict of contiguous CPU tensors."""
        return {
            f"{group}.{key}": value.detach().cpu().contiguous()
            for group, state in groups.items()
            for key, value in state.items()
        }

    def save(self, path: Path) -> None:
        """Write aside, flush, rename."""
        atomic_write(path, to_safetensors(self.tensors, {"state": json.dumps(self.state, sort_keys=True)}))

    @classmethod
    def load(cls, path: Path) -> "Checkpoint":
        """Read a file that `save` wrote."""
        try:
            with safe_open(path, "pt") as file:
                state = dict(json.loads((file.metadata() or {})["state"]))
                return cls({key: file.get_tensor(key) for key in file.keys()}, state)  # noqa: SIM118
        except FileNotFoundError:
            raise UserError(f"{path}: no such checkpoint; train one first (python train.py ce)") from None
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise UserError(f"{path}: not a checkpoint of this project ({error})") from None
