"""Checkpoints and configs in their authors' own formats: read safely, loaded strictly."""

import json
import pickle
import re
import warnings
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from probing_vlp.errors import UserError, listed
from probing_vlp.files import read_bytes


def read_checkpoint(path: str | Path, trust_pickle: bool = False) -> Any:
    """What `torch.save` wrote, on the CPU; never a pickled program unless `trust_pickle`.

    Raises UserError for a file that is missing, cut, no checkpoint, or in need of unpickling.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such checkpoint; give the published file as the option checkpoint")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    try:
        with warnings.catch_warnings(action="ignore"):  # of odd pickles, which the error below names
            return torch.load(path, map_location="cpu", weights_only=not trust_pickle)
    except pickle.UnpicklingError as error:
        if unsafe := _unsafe(path, error):
            raise UserError(
                f"{path}: holds pickled objects besides weights, which may run programs when loaded "
                f"({unsafe}); if you trust its source give --trust-pickle (option trust_pickle)"
            ) from None
        raise UserError(f"{path}: not a whole checkpoint ({_first_line(error)}); download it again") from None
    except (ImportError, AttributeError) as error:
        raise UserError(f"{path}: holds objects of a program that is not here ({_first_line(error)})") from None
    except (RuntimeError, EOFError, ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: not a whole checkpoint ({_first_line(error)}); download it again") from None


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: not a whole checkpoint ({_first_line(error)}); download it again") from None


def state_dict(found: Any, path: str | Path, rename: Callable[[str], str] = str) -> dict[str, Tensor]:
    """The tensors of a flat state dict by their new names; UserError if it is none.

    The old names `gamma` and `beta` of LayerNorm weights become `weight` and `bias`, `module.` in front goes.
    """
    if not isinstance(found, Mapping):
        raise UserError(f"{path}: holds {type(found).__name__}, not a dictionary of weights")
    tensors = {key: value for key, value in found.items() if isinstance(value, Tensor)}
    if not tensors:
        raise UserError(f"{path}: holds no weights at its top level, but {', '.join(map(str, list(found)[:5]))}")
    return {rename(modern(key)): value for key, value in tensors.items()}


def modern(key: str) -> str:
    """A key of an old TensorFlow or DataParallel checkpoint as it is called today."""
    key = key.removeprefix("module.")
    return re.sub(r"\.gamma$", ".weight", re.sub(r"\.beta$", ".bias", key))


def load_strictly(
    model: nn.Module,
    state: Mapping[str, Tensor],
    path: str | Path,
    kind: str,
    ignore: Sequence[str] = (),
    called: Callable[[str], str] = str,
) -> None:
    """Load all of `state` into `model`; UserError that lists what is missing, left over or of another size.

    `ignore`: beginnings of names that a checkpoint of this kind has for other tasks; `called`: what the checkpoint
    calls a weight of the model.
    """
    own = {called(key): weight for key, weight in model.state_dict().items()}
    left = [key for key in state if key not in own and not key.startswith(tuple(ignore))]
    sizes = [
        f"{key} {tuple(state[key].shape)} instead of {tuple(own[key].shape)}"
        for key in own
        if key in state and state[key].shape != own[key].shape
    ]
    complaints = [
        f"{what}: {listed(keys)}"
        for what, keys in (
            ("missing", sorted(own.keys() - state.keys())),
            ("unexpected", left),
            ("of another size", sizes),
        )
        if keys
    ]
    if complaints:
        raise UserError(f"{path}: does not fit {kind}: {'; '.join(complaints)}; check the checkpoint and the config")
    model.load_state_dict({key: state[called(key)] for key in model.state_dict()})


def axis_size(state: Mapping[str, Tensor], name: str, axis: int = 0) -> int:
    """How long an axis of a weight is; 1 if there is no such weight or axis, which loading will complain of."""
    shape = state[name].shape if name in state else ()
    return shape[axis] if axis < len(shape) else 1


def check_heads_known(size: int, path: str | Path, config: str | Path | None) -> None:
    """UserError for a model without a config whose heads cannot be 64 wide, as they are in every published one."""
    if config is None and size % 64:
        raise UserError(
            f"{path}: its {size} hidden units are no multiple of 64, so the number of attention heads is not known; "
            "give the authors' config as the option config"
        )


def check_counts(config: Mapping[str, Any], path: str | Path, keys: Sequence[str]) -> None:
    """UserError that names the first of these keys whose value is no whole number of 1 or more."""
    for key in keys:
        if key in config and (type(config[key]) is not int or config[key] < 1):
            raise UserError(f"{path}: {key} is {config[key]!r}; it must be a whole number of 1 or more")


def read_config(path: str | Path, needs: Sequence[str]) -> dict[str, Any]:
    """A JSON model config; UserError if it is none or lacks a key of `needs`."""
    try:
        config = json.loads(read_bytes(Path(path), "model config", "give the authors' file as the option config"))
    except ValueError as error:
        raise UserError(f"{path}: not JSON ({error})") from None
    missing = [key for key in needs if not isinstance(config, dict) or key not in config]
    if missing:
        raise UserError(f"{path}: not a config of this model: it has no {', '.join(missing)}")
    return dict(config)


def place(model: nn.Module, device: torch.device | str, dtype: str) -> nn.Module:
    """The model in evaluation mode, its weights stored as `dtype` ("float32", "bfloat16", "float64")."""
    kinds = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float64": torch.float64}
    if dtype not in kinds:
        raise UserError(f"dtype '{dtype}' is not one of {', '.join(kinds)}")
    return model.eval().requires_grad_(False).to(device, kinds[dtype])


def _first_line(error: BaseException) -> str:
    said = str(error).rpartition("WeightsUnpickler error:")[2].strip()
    return (said or type(error).__name__).splitlines()[0][:200]


def _unsafe(path: Path, error: pickle.UnpicklingError) -> str:
    """What the safe reader would not make; empty if the file is no pickle."""
    if found := re.search(r"(?:GLOBAL|class|global) ([\w.]+)", str(error)):
        return found.group(1)
    with open(path, "rb") as file:
        is_pickle = file.read(1) == pickle.PROTO
    return _first_line(error) if is_pickle and "Unsupported operand" in str(error) else ""
