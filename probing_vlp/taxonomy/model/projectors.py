"""What is learned: the map from image tokens (..., D) to the language model's input embeddings (..., H).

    gelu-mlp         Linear(D, H) - GELU - Linear(H, H)                              one encoder
    fused-gelu-mlp   Linear(D, 4 D) - GELU - Linear(4 D, H) - GELU - Linear(H, H)    several, side by side

Initialised as torch does, from a seed of its own.  The paper takes the encoder's width D as that seed, so that its runs
differ in the order of their data alone; here each run draws its own unless that is asked for.  Features may be brought
to mean 0 and deviation 1 a channel first (not in the paper); both stand in the file of weights.
"""

import itertools

import torch
from torch import Tensor, nn

from probing_vlp.errors import UserError

PROJECTORS = ("auto", "gelu-mlp", "fused-gelu-mlp")


class Projector(nn.Module):
    """(..., D) to (..., H) float32; `shift` and `scale` (D,) are constants."""

    shift: Tensor
    scale: Tensor

    def __init__(self, layers: nn.Sequential, width: int) -> None:
        super().__init__()
        self.register_buffer("shift", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))
        self.layers = layers

    def forward(self, tokens: Tensor) -> Tensor:
        """Embeddings of image tokens."""
        found: Tensor = self.layers((tokens - self.shift) * self.scale)
        return found


def make_projector(
    kind: str,
    width: int,
    embedding: int,
    seed: int,
    encoders: int = 1,
    mean: Tensor | None = None,
    deviation: Tensor | None = None,
) -> Projector:
    """A projector from width D to H = `embedding`, its weights drawn from `seed`.

    "auto" is gelu-mlp for one encoder and fused-gelu-mlp for several.  UserError for another kind.
    """
    if kind not in PROJECTORS:
        raise UserError(f"--projector {kind}: is none of {', '.join(PROJECTORS)}")
    deep = kind == "fused-gelu-mlp" or (kind == "auto" and encoders > 1)
    sizes = [width, 4 * width, embedding, embedding] if deep else [width, embedding, embedding]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers: list[nn.Module] = []
        for inward, outward in itertools.pairwise(sizes):
            layers += [nn.Linear(inward, outward), nn.GELU()]
    projector = Projector(nn.Sequential(*layers[:-1]), width)
    if mean is not None and deviation is not None:
        projector.shift.copy_(mean)
        projector.scale.copy_(1 / deviation)
    return projector
