"""Hard negatives: for every pair of a batch, other images and captions of the batch that look alike.

As in ALBEF (Li et al. 2021) they are drawn in proportion to exp(similarity / temperature) of two halves of the model
that were aligned before.  B pairs, K negatives of either kind.
"""

import torch
from torch import Tensor


def draw_negatives(
    similarity: Tensor, owner: Tensor, count: int, temperature: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Rows (B, K) of mismatched images for each caption, and of mismatched captions for each image, without repeats.

    `similarity` (B, B): caption i against image j.  `owner` (B,): the image that a pair is of; pairs of one image are
    no negatives of each other.  Raises ValueError where a pair has fewer than K others.
    """
    same = owner[:, None] == owner
    if int((~same).sum(1).min()) < count:
        raise ValueError(f"{count} negatives are more than the batch has images beside a pair's own")
    sides = (similarity, similarity.T)
    images, captions = (_draw(side.masked_fill(same, -torch.inf), count, temperature, generator) for side in sides)
    return images, captions


def _draw(similarity: Tensor, count: int, temperature: float, generator: torch.Generator) -> Tensor:
    """(B, K) columns, drawn row by row without replacement: the largest of logits with Gumbel noise."""
    uniform = torch.rand(similarity.shape, generator=generator).clamp(1e-9, 1 - 1e-7)
    noise = -torch.log(-torch.log(uniform)).to(similarity.device)
    return (similarity / temperature + noise).topk(count, dim=1).indices
