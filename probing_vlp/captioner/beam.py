"""Beam search with an exact early stop.

B images, T steps at most, V vocabulary, H hidden, K beams.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from probing_vlp.captioner.stepper import END, Stepper


class Decoded(NamedTuple):
    """Captions (N, T) int64, zero from the end on, and logprob (N,): of their words and their end, in nats."""

    words: Tensor
    logprob: Tensor


@torch.no_grad()
def beam(stepper: Stepper, features: Tensor, width: int, max_length: int) -> Decoded:
    """Beam search by total log-probability, no length normalisation.

    A living caption goes when a finished one of its image beats it, and an image when it has none left.  As
    log-probabilities only fall, neither it nor what it kept out of the beam could have won: the result is the one of
    the search run to the end.
    """
    B, T, device = len(features), max_length, features.device
    K = min(width, stepper.model.vocabulary_size)  # words that a beam can be followed by
    best = Decoded(torch.zeros(B, T, dtype=torch.long, device=device), features.new_full((B,), float("-inf")))
    image = torch.arange(B, device=device)  # image of each slot of beams
    first = stepper.begin(features)
    state, score = first.pick(image), features.new_zeros(B, 1)  # one living beam an image at first
    prefix = torch.zeros(B, 1, 0, dtype=torch.long, device=device)
    for t in range(T):
        k, live = score.shape[1], torch.isfinite(score.reshape(-1)).nonzero()[:, 0]
        top, word = stepper.best_words(state.h, K)
        grid = score.new_full((len(image) * k, K), float("-inf"))
        grid[live] = top + score.reshape(-1)[live, None]
        words = torch.zeros(len(image) * k, K, dtype=torch.long, device=device)
        words[live] = word
        row_of = torch.zeros(len(image) * k, dtype=torch.long, device=device)
        row_of[live] = torch.arange(len(live), device=device)
        score, pick = grid.reshape(len(image), k * K).topk(min(width, k * K), 1)
        parent = pick // K
        word = words.reshape(len(image), k * K).gather(1, pick)
        prefix = torch.cat([prefix.gather(1, parent[:, :, None].expand(-1, -1, t)), word[:, :, None]], 2)
        ended = word == END if t + 1 < T else torch.ones_like(word, dtype=torch.bool)
        score = _keep_best(best, image, prefix, score, ended)
        going = torch.isfinite(score).any(1).nonzero()[:, 0]
        if not len(going):
            break
        parent_rows = (torch.arange(len(image), device=device)[:, None] * k + parent)[going]
        image, score, prefix, word = image[going], score[going], prefix[going], word[going]
        alive = torch.isfinite(score)
        state = stepper.branch(word[alive], state, row_of[parent_rows[alive]])
    return best


def _keep_best(best: Decoded, image: Tensor, prefix: Tensor, score: Tensor, ended: Tensor) -> Tensor:
    """Note each image's best ended caption; the scores of the living that can still beat it, -inf for the rest."""
    value, which = score.masked_fill(~ended, float("-inf")).max(1)
    better = (value > best.logprob[image]).nonzero()[:, 0]
    best.logprob[image[better]] = value[better]
    best.words[image[better], : prefix.shape[2]] = prefix[better, which[better]]
    return score.masked_fill(ended | (score <= best.logprob[image, None]), float("-inf"))
