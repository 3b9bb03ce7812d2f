"""Random numbers that depend on the seed, the step and the caption alone.

Every process draws the numbers of the whole batch from a generator made for (seed, step, purpose) and keeps its own
rows. So a run in two processes sees the numbers of a run in one, and a resumed run needs no generator state.
"""

import hashlib
import math

import torch
from torch import Tensor


def generator_for(seed: int, step: int, purpose: str, device: torch.device) -> torch.Generator:
    """A generator of its own for a purpose ("dropout", "sample", ...) at a step."""
    digest = hashlib.sha256(f"{seed}/{step}/{purpose}".encode()).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def uniform_rows(rows: slice, total: int, width: int, generator: torch.Generator) -> Tensor:
    """Rows of a (total, width) draw from [0, 1), float32."""
    return torch.rand(total, width, generator=generator, device=generator.device)[rows]


def dropout_rows(
    rows: slice, total: int, shape: tuple[int, ...], p: float, generator: torch.Generator
) -> Tensor | None:
    """Rows of a (total, *shape) draw of dropout factors: 0 with probability p, else 1 / (1 - p).  None if p is 0.

    p is taken to the nearest 1/65,536: four coins are thrown with each random number, which is the time that dropout
    takes.
    """
    if p == 0:
        return None
    count = math.prod((total, *shape))
    numbers = torch.empty(-(-count // 4), dtype=torch.int64, device=generator.device)
    numbers.random_(-(2**63), None, generator=generator)
    kept = numbers.view(torch.int16)[:count].view(total, *shape)[rows] >= round(p * 2**16) - 2**15
    return kept.float().mul_(1 / (1 - p))
