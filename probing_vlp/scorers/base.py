"""The scorer contract: encode images once, then score any number of captions against them.

Higher means better matched.  NaN means "could not score"; it is left out of means and baselines by
`training/rewards.py` and nowhere else.  Scaling, mixing and baselines are not a scorer's business.  A score depends on
its image and its caption alone: not on batch size, order or neighbours.
"""

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, Self, runtime_checkable

import torch

from probing_vlp.errors import UserError
from probing_vlp.lookup import lookup
from probing_vlp.records import FeatureVector, Pixels, References, Regions

Visual = Pixels | Regions | References | FeatureVector


class Encoded(Protocol):
    """Encoded images; row i belongs to visuals[i].  Cacheable, and picked by row for the captions to be scored.

    An encoding that is a tensor at heart should be a `TensorEncoded`: images are then encoded in parts and joined.
    Any other is made of all images of a split in one call.
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


@runtime_checkable
class Scorer(Protocol):
    """What a matching model must offer."""

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

    Arguments that are None are not passed on, so a class takes only what it has a use for.  `device="auto"` is the
    accelerator if there is one, else the CPU.
    """
    from probing_vlp.scorers import SCORERS

    make = lookup(name, SCORERS, "scorer")
    given = {"checkpoint": checkpoint, "config": config, "vocab": vocab, "dtype": dtype, **options}
    where = "cuda" if torch.cuda.is_available() else "cpu"
    chosen = {key: value for key, value in given.items() if value is not None}
    try:
        inspect.signature(make).bind(device=None, **chosen)
    except TypeError as error:
        takes = ", ".join(key for key in inspect.signature(make).parameters if key != "device")
        raise UserError(f"options of scorer '{name}': {error}; it takes {takes or 'none'}") from None
    scorer: Scorer = make(device=torch.device(where if device == "auto" else device), **chosen)
    return scorer
