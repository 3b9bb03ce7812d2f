"""Advantages of sampled captions: how much better each is than what it is held against.

B images, S samples an image.  NaN stands for "could not score": such a sample has advantage zero and takes no part in
anybody's baseline, so that it neither teaches nor biases.
"""

import torch
from torch import Tensor


def greedy_advantage(rewards: Tensor, baseline: Tensor) -> Tensor:
    """Rewards (B, S) minus the reward of the image's greedy caption, baseline (B,): SCST, Ma et al. 2023 equation 2.

    An image whose greedy caption could not be scored teaches nothing.
    """
    return torch.nan_to_num(rewards - baseline[:, None], nan=0.0)


def leave_one_out_advantage(rewards: Tensor) -> Tensor:
    """Rewards (B, S) minus the mean reward of the image's other samples (Luo 2020, arXiv 2003.09971; RLOO).

    An image with fewer than two scored samples teaches nothing.
    """
    scored = ~torch.isnan(rewards)
    known = torch.nan_to_num(rewards, nan=0.0)
    others = scored.sum(1, keepdim=True) - 1
    mean_of_others = (known.sum(1, keepdim=True) - known) / others.clamp(min=1)
    return torch.where(scored & (others > 0), known - mean_of_others, torch.zeros_like(known))


def spread_within_images(rewards: Tensor) -> float:
    """Mean over images of the standard deviation (n in the denominator) of their scored samples, (B, S); NaN if
    none."""
    scored = (~torch.isnan(rewards)).sum(1)
    known = torch.nan_to_num(rewards, nan=0.0)
    mean = known.sum(1, keepdim=True) / scored.clamp(min=1)[:, None]
    squares = ((rewards - mean) ** 2).nan_to_num(0.0).sum(1) / scored.clamp(min=1)
    return float(squares.sqrt()[scored > 0].mean())
