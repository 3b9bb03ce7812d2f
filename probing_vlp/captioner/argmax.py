"""The likeliest word of each row, exactly, without computing most of the logits.

With m the mean of the rows of the output layer and r_w = |W_w - m|, a logit is at most b_w + h.m + |h| r_w
(Cauchy-Schwarz).  So the logits of a thousand promising words come first: those of the largest bound at a usual norm
n of h.  At another norm the bounds of the others grow by (|h| - n) r_w, which one number is enough to check.  Only
where that does not rule all of them out are they looked at one by one.

Whether that is seldom depends on the weights: an instance notices where its bound is `useless`.
"""

import torch
from torch import Tensor

PROMISING = 1024
SLACK = 1e-3
"""Added to the bounds: far above float32 rounding of a logit, far below what would let many words in."""
PATIENCE = 4
"""Calls that may find the bound ruling out less than half of the words."""


class ExactArgmax:
    """argmax over w of h.W_w + b_w, for one state of the weights W (V, H) and b (V,)."""

    def __init__(self, weight: Tensor, bias: Tensor, likely_norm: float) -> None:
        """`likely_norm`: a usual |h|; a bad guess costs time only."""
        self.weight, self.bias, self.norm, self.failures = weight, bias, likely_norm, 0
        self.mean = weight.mean(0)
        radius = torch.linalg.vector_norm(weight - self.mean, dim=1)
        order = torch.argsort(bias + likely_norm * radius, descending=True)
        self.first, self.rest = order[:PROMISING].sort().values, order[PROMISING:].sort().values
        self.first_weight, self.first_bias = weight[self.first].t().contiguous(), bias[self.first]
        self.radius, self.rest_bias = radius[self.rest], bias[self.rest] + SLACK
        if len(self.rest):
            self.bound = (self.rest_bias + likely_norm * self.radius).max()
            self.least, self.most = self.radius.min(), self.radius.max()

    @property
    def useless(self) -> bool:
        """Whether computing all logits would be faster, as calls so far have shown."""
        return self.failures >= PATIENCE

    def __call__(self, hidden: Tensor) -> Tensor:
        """Word ids (rows,) from hidden (rows, H); the smallest id wins a tie."""
        best, at = torch.addmm(self.first_bias, hidden, self.first_weight).max(1)
        word = self.first[at]
        if not len(self.rest):
            return word
        norm = torch.linalg.vector_norm(hidden, dim=1)
        reach = best - hidden @ self.mean  # what a bound has to reach
        over = norm - self.norm
        open_rows = (self.bound + torch.maximum(over * self.least, over * self.most) >= reach).nonzero()[:, 0]
        if not len(open_rows):
            return word
        # a word is a candidate if its bound reaches the best of some row
        candidates = (self.rest_bias + torch.outer(norm[open_rows], self.radius) >= reach[open_rows, None]).any(0)
        more = self.rest[candidates]
        self.failures += 2 * len(more) > len(self.bias)
        return self._look(hidden, open_rows, more, best, word) if len(more) else word

    def _look(self, hidden: Tensor, rows: Tensor, more: Tensor, best: Tensor, word: Tensor) -> Tensor:
        """`word`, or in `rows` the likeliest of `more` where it beats `best`."""
        value, at = torch.addmm(self.bias[more], hidden[rows], self.weight[more].t()).max(1)
        other = more[at]
        take = (value > best[rows]) | ((value == best[rows]) & (other < word[rows]))
        word[rows[take]] = other[take]
        return word
