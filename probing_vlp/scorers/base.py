"""The scorer contract: encode images once, then score any number of captions against them.

Higher means better matched.  NaN means "could not score"; it is left out of means and baselines by
`training/rewards.py` and nowhere else.  Scaling, mixing and baselines are not a scorer's business.  A score depends on
its image and its caption alone: not on batch size, order or neighbours.
"""

from collections.abc import Mapping, Sequence
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, Literal, Protocol, Self, runtime_checkable

import torch

from probing_vlp.errors import UserError
from probing_vlp.lookup import lookup, short
from probing_vlp.records import FeatureVector, Pixels, References, Regions
from probing_vlp.scorers._mini import mini_files, read_mini
from probing_vlp.scorers._options import as_path, checked

Visual = Pixels | Regions | References | FeatureVector


class Encoded(Protocol):
    """Encoded images; row i belongs to visuals[i].  Cacheable, and picked by row for the captions to be scored.

    Where the class has `join(parts)`, a class method that makes one encoding of several, images are encoded in parts;
    else all images of a split in one call.  An encoding that is a tensor at heart should be a `TensorEncoded`.
    """

    def __len__(self) -> int: ...

    def select(self, rows: Sequence[int]) -> Self:
        """The given rows, repeats allowed, in the given order."""
        ...


class TensorEncoded:
    """Encoded images that are one tensor, (B, ...)."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = tensor

    def __len__(self) -> int:
        return len(self.tensor)

    def select(self, rows: Sequence[int]) -> "TensorEncoded":
        """The given rows, repeats allowed, in the given order."""
        return TensorEncoded(self.tensor[torch.as_tensor(rows, dtype=torch.long, device=self.tensor.device)])

    @classmethod
    def join(cls, parts: Sequence["TensorEncoded"]) -> "TensorEncoded":
        """Several encodings as one."""
        return cls(torch.cat([part.tensor for part in parts]))


@runtime_checkable
class Scorer(Protocol):
    """What a matching model must offer; `scorers/conformance.py` has the checks.

    A blank caption is NaN, unless the class says `scores_blank = True`.
    """

    name: str
    visual: Literal["pixels", "regions", "references", "features"]
    """What `encode` takes: records.Pixels, Regions, References or FeatureVector."""
    unit: Literal["probability", "logit", "cosine", "cider"]

    def encode(self, visuals: Sequence[Any]) -> Any:
        """Images to an `Encoded`; row i belongs to visuals[i]."""
        ...

    def score(self, encoded: Any, captions: Sequence[str]) -> torch.Tensor:
        """(B,) float32 on the CPU: caption i against row i."""
        ...


def load_scorer(
    name: str,
    checkpoint: str | Path | None = None,
    config: str | Path | None = None,
    vocab: str | Path | None = None,
    device: str = "auto",
    dtype: str | None = None,
    **options: Any,
) -> Scorer:
    """Make the scorer of a SCORERS row or of "package.module:Class".

    Arguments that are None are not passed on, nor is `device` to a class that has no such argument.  `device="auto"` is
    the accelerator if there is one, else the CPU.  Raises UserError for an option of another type than the class
    declares.  Of a mini model trained here `checkpoint` is the folder, which names its own config and vocabulary; the
    scorer then has `mini`, what is known of its making.
    """
    from probing_vlp.scorers import SCORERS

    make = lookup(name, SCORERS, "scorer")
    paths = {"checkpoint": checkpoint, "config": config, "vocab": vocab}
    given = {**{key: as_path(f"scorer {name}", key, path) for key, path in paths.items()}, "dtype": dtype, **options}
    chosen = {key: value for key, value in given.items() if value is not None} | mini_files(name, given["checkpoint"])
    parameters = parameters_of(make, name)
    chosen = checked(f"scorer {name}", chosen, parameters)
    if "device" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        chosen["device"] = find_device(device)
    try:
        signature(make).bind(**chosen)
    except TypeError as error:
        known = ", ".join(key for key in parameters if key != "device")
        raise UserError(f"options of scorer '{name}': {error}; it takes {known or 'none'}") from None
    scorer = made(make, chosen, name) if name not in SCORERS else make(**chosen)
    if mini := read_mini(given["checkpoint"]):
        scorer.mini = mini
    return scorer


def made(make: Any, options: Mapping[str, Any], name: str) -> Any:
    """A scorer of somebody else's class; UserError of one line for whatever that raises."""
    try:
        return make(**options)
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        raise UserError(f"{name}: cannot be made ({short(error)}); mend its __init__") from error


def parameters_of(make: Any, name: str) -> Mapping[str, Parameter]:
    """What a scorer is made from; UserError for what cannot be made."""
    try:
        return signature(make).parameters
    except (TypeError, ValueError):
        raise UserError(
            f"scorer '{name}': {make!r} is not a class of ours to make; name one with encode and score"
        ) from None


def find_device(name: Any) -> torch.device:
    """The device called `name`; UserError for one that is not here or holds no numbers ("meta")."""
    from probing_vlp.data.extract import pick_device

    try:
        device = pick_device(str(name))
    except UserError as error:
        said = str(error).removeprefix(f"--device {name}: ")
    else:
        if device.type != "meta":
            return device
        said = "it holds no numbers"
    raise UserError(f"device '{name}' cannot be used ({said}); give cpu, or cuda where there is a GPU")


def trusting(name: str, trust_pickle: bool) -> dict[str, bool]:
    """The option `trust_pickle` for a scorer that takes it, if it is wanted."""
    from probing_vlp.scorers import SCORERS

    takes = trust_pickle and "trust_pickle" in parameters_of(lookup(name, SCORERS, "scorer"), name)
    return {"trust_pickle": True} if takes else {}
