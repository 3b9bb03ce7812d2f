"""Checkpoints and configs in their authors' own formats: read safely, loaded strictly."""

import codecs
import json
import pickle
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
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
    if path.is_dir():
        raise UserError(f"{path}: is a folder, and no such checkpoint; name the published file in it as checkpoint")
    if not path.is_file():
        raise UserError(f"{path}: no such checkpoint; give the published file as the option checkpoint")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    try:
        with warnings.catch_warnings(action="ignore"):  # of odd pickles, which the error below names
            return _load(path, trust_pickle)
    except pickle.UnpicklingError as error:
        if unsafe := _unsafe(path, error):
            raise UserError(
                f"{path}: holds pickled objects besides weights, which may run programs when loaded "
                f"({unsafe}); if you trust its source give --trust-pickle (option trust_pickle)"
            ) from None
        raise _broken(path, error) from None
    except (ImportError, AttributeError) as error:
        raise UserError(f"{path}: holds objects of a program that is not here ({_first_line(error)})") from None
    except Exception as error:  # on damaged bytes the unpickler raises anything
        raise _broken(path, error) from None


def _load(path: Path, trust: bool) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=not trust)
    except RuntimeError as error:
        if not trust or "magic number" not in str(error):
            raise
    with open(path, "rb") as file:  # by pickle itself, which torch does not read
        return pickle.load(file)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise _broken(path, error) from None


def _broken(path: Path, error: BaseException) -> UserError:
    return UserError(f"{path}: not a whole checkpoint ({_plain(path) or _first_line(error)}); download it again")


def _plain(path: Path) -> str:
    """What a file is that holds no numbers at all; empty for any other."""
    with open(path, "rb") as file:
        head = file.read(512)
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)  # the last letter may be cut
    except UnicodeDecodeError:
        return ""
    if not all(char.isprintable() or char.isspace() for char in text):
        return ""
    return f"it is text, not a checkpoint: {' '.join(text.split())[:40]!r}" if head else "it is empty"


def state_dict(found: Any, path: str | Path, rename: Callable[[str], str] = str) -> dict[str, Tensor]:
    """The tensors of a flat state dict by their new names; UserError if it is none.

    The old names `gamma` and `beta` of LayerNorm weights become `weight` and `bias`, `module.` in front goes.
    """
    if not isinstance(found, Mapping):
        raise UserError(f"{path}: holds {type(found).__name__}, not a dictionary of weights")
    if not found:
        raise UserError(f"{path}: is empty: a dictionary without weights; download it again")
    tensors = {key: value for key, value in found.items() if isinstance(value, Tensor)}
    if unnamed := [repr(key) for key in tensors if not isinstance(key, str)]:
        raise UserError(f"{path}: weights are called {listed(unnamed)}, not by names; it is no state dict")
    if not tensors:
        held = ", ".join(map(str, list(found)[:5]))
        raise UserError(f"{path}: holds no weights at its top level, but {held}{inside(found, _is_state)}")
    return {rename(modern(key)): value for key, value in tensors.items()}


def inside(found: Mapping[Any, Any], fits: Callable[[Any], bool]) -> str:
    """The end of an error that tells under which key of `found` stands what `fits`; empty if it is nowhere."""
    for key, value in found.items():
        if fits(value):
            return f"; they stand under {key!r}: save what is there alone, torch.save(torch.load(FILE)[{key!r}], NEW)"
    return ""


def _is_state(value: Any) -> bool:
    return isinstance(value, Mapping) and any(isinstance(weight, Tensor) for weight in value.values())


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
    """Load all of `state` into `model`; UserError that lists what is missing, left over or of another size, and for
    weights that are no finite numbers.

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
    for key, weight in own.items():
        if said := _unusable(state[key], weight):
            raise UserError(f"{path}: {key} is {said}; give a file of plain floating-point weights")
    model.load_state_dict({key: state[called(key)] for key in model.state_dict()})
    for key, weight in model.state_dict().items():
        if weight.is_floating_point() and not bool(torch.isfinite(weight).all()):
            raise UserError(f"{path}: NaN or infinity in {called(key)}; download it again, or train it anew")


def _unusable(weight: Tensor, own: Tensor) -> str:
    """Why a weight of the right size cannot be loaded as numbers; empty if it can."""
    if weight.layout is not torch.strided:
        return f"sparse ({weight.layout})"
    if weight.is_meta:
        return "without numbers (of the device meta)"
    if own.is_floating_point() and not weight.is_floating_point():
        return f"of type {str(weight.dtype).removeprefix('torch.')}"
    return ""


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


@contextmanager
def blaming(config: str | Path | None) -> Iterator[None]:
    """A UserError about sizes, raised inside, names the config that they come from, if there is one."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{config}: {error}" if config else str(error)) from None


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
