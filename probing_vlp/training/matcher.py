"""A region model as it is trained: its unimodal halves as vectors, its pairs as log-odds, and the loss of these.

B pairs, T words, R regions, H units, K negatives of either kind.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from probing_vlp.training.zoo import Architecture

SURE = 1e-6
"""A probability nearer to 0 or 1 than this teaches no more."""


class Matcher(nn.Module):
    """A region model's network, and the heads that make vectors of its halves for the time of training."""

    def __init__(self, architecture: Architecture, network: Any, hidden: int) -> None:
        super().__init__()
        self.architecture, self.network = architecture, network
        self.text_head, self.image_head = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden)
        self.log_scale = nn.Parameter(torch.tensor(1 / 0.07).log())

    def scale(self) -> Tensor:
        """One over the temperature of the alignment, 100 at most."""
        return self.log_scale.exp().clamp(max=100)

    def text_vectors(self, ids: Tensor, words: Tensor) -> Tensor:
        """(B, H) of length one."""
        layers = self.architecture.text(self.network, ids, words)
        return functional.normalize(self.text_head(mean(layers, words)), dim=1)

    def image_vectors(self, regions: Tensor, there: Tensor) -> Tensor:
        """(B, H) of length one, from embedded regions."""
        layers = self.architecture.image(self.network, regions, there)
        return functional.normalize(self.image_head(mean(layers, there)), dim=1)

    def logits(self, ids: Tensor, words: Tensor, regions: Tensor, there: Tensor) -> Tensor:
        """(B,) log-odds of a match: of the very probability that the scorer gives."""
        return torch.logit(self.network.match(ids, words, regions, there)["match"], SURE)


def mean(x: Tensor, there: Tensor) -> Tensor:
    """(B, H) of x (B, T, H) where `there` (B, T)."""
    return (x * there[:, :, None]).sum(1) / there.sum(1, keepdim=True)


def matching_loss(logits: Tensor) -> Tensor:
    """Of log-odds (B, 1 + 2 K), a true pair, then K other images, then K other captions: cross-entropy of match and
    mismatch, and of the true pair among its images and among its captions, in nats."""
    true = torch.zeros_like(logits)
    true[:, 0] = 1
    count = (logits.shape[1] - 1) // 2
    first = torch.zeros(len(logits), dtype=torch.long, device=logits.device)
    images, captions = logits[:, : 1 + count], torch.cat([logits[:, :1], logits[:, 1 + count :]], 1)
    found = functional.cross_entropy(images, first) + functional.cross_entropy(captions, first)
    return functional.binary_cross_entropy_with_logits(logits, true) + found / 2
