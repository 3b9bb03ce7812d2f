"""The likeliest word of each row, exactly, without computing most of the logits.

With m the mean row of the output layer and r_w = |W_w - m|, a logit is at most
b_w + h.m + |h| r_w (Cauchy-Schwarz).  So the logits of a thousand promising words come first, and only those others
whose bound reaches the best of them.  In a trained captioner there are few; in an untrained one the bound rules out
nothing and the cost is that of all logits and a tenth.
"""

import torch
from torch import Tensor

PROMISING = 1024
SLACK = 1e-3
"""Added to the bounds: far above float32 rounding of a logit, far below what would let many words in."""


class ExactArgmax:
    """argmax over w of h.W_w + b_w, for one state of the weights W (V, H) and b (V,)."""

    def __init__(self, weight: Tensor, bias: Tensor, likely_norm: float) -> None:
        """`likely_norm`: a typical |h|, used only to choose the promising words."""
        self.weight, self.bias = weight, bias
        mean = weight.mean(0)
        radius = torch.linalg.vector_norm(weight - mean, dim=1)  # |W|^2 - 2 W.m + |m|^2 would lose too many digits
        count = min(PROMISING, len(bias))
        bound = bias + likely_norm * radius
        first, self.rest = torch.topk(bound, count).indices, None
        self.first = first.sort().values
        self.first_weight, self.first_bias = weight[self.first].t().contiguous(), bias[self.first]
        if count < len(bias):
            others = torch.ones_like(bias, dtype=torch.bool)
            others[self.first] = False
            self.rest = others.nonzero()[:, 0]
            self.mean, self.radius, self.rest_bias = mean, radius[self.rest], bias[self.rest] + SLACK

    def __call__(self, hidden: Tensor) -> Tensor:
        """Word ids (rows,) from hidden (rows, H); the smallest id wins a tie."""
        best, at = torch.addmm(self.first_bias, hidden, self.first_weight).max(1)
        word = self.first[at]
        if self.rest is None:
            return word
        reach = best - hidden @ self.mean                                       # (rows,)
        norm = torch.linalg.vector_norm(hidden, dim=1)
        # a word is a candidate if its bound reaches the best of some row
        candidates = (self.rest_bias + torch.outer(norm, self.radius) >= reach[:, None]).any(0)
        more = self.rest[candidates]
        if not len(more):
            return word
        value, at = torch.addmm(self.bias[more], hidden, self.weight[more].t()).max(1)
        other = more[at]
        take = (value > best) | ((value == best) & (other < word))
        return torch.where(take, other, word)
