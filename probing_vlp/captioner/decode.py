"""Decoding: greedy and sampling (temperature, top-k, top-p); beam search is in `beam`.

B images, N captions (image by image), T steps at most, V vocabulary, H hidden.
Finished captions leave the batch, so that a step costs what its living rows cost.
"""

import torch
from torch import Tensor

from probing_vlp.captioner.beam import Decoded, beam
from probing_vlp.captioner.fc import FCCaptioner, State, Trace
from probing_vlp.captioner.stepper import END, DecodeConfig, Stepper, make_stepper


@torch.no_grad()
def decode(
    model: FCCaptioner,
    features: Tensor,
    config: DecodeConfig,
    uniform: Tensor | None = None,
    stepper: Stepper | None = None,
) -> Decoded:
    """One caption an image: features (B, D) to captions (B, T) by the configured method.

    uniform (B, T) in [0, 1): the numbers that sampling inverts; drawn afresh unless given.
    """
    if config.method == "beam":
        return beam(stepper or make_stepper(model, config), features, config.beam, config.max_length)
    words = decode_words(model, features, config, uniform, stepper)
    return Decoded(words, caption_logprob(model, features, words))


@torch.no_grad()
def decode_words(
    model: FCCaptioner,
    features: Tensor,
    config: DecodeConfig,
    uniform: Tensor | None = None,
    stepper: Stepper | None = None,
) -> Tensor:
    """The words (B, T) of `decode`: greedy ones can be had without computing their probability."""
    stepper = stepper or make_stepper(model, config)
    if config.method == "beam":
        return beam(stepper, features, config.beam, config.max_length).words
    if config.method == "greedy":
        return greedy(stepper, features, config.max_length)
    if uniform is None:
        uniform = torch.rand(len(features), config.max_length, device=features.device)
    return sample(stepper, features, uniform, config=config)


@torch.no_grad()
def caption_logprob(model: FCCaptioner, features: Tensor, words: Tensor) -> Tensor:
    """(N,) log-probability of captions (N, T), their end included if they have one, in nats."""
    lengths = caption_lengths(words)
    _, logprob = model(features, begin_with_end(words), words, lengths, torch.ones_like(words, dtype=features.dtype))
    return logprob.sum(1)


def caption_lengths(words: Tensor) -> Tensor:
    """(N,) words to learn of captions (N, T): up to and with the end, or all T where a caption was cut."""
    return ((words != END).long().cumprod(1).sum(1) + 1).clamp(max=words.shape[1])


def begin_with_end(words: Tensor) -> Tensor:
    """What is fed at each step (N, T): the beginning, then the words but the last."""
    return torch.cat([torch.full_like(words[:, :1], END), words[:, :-1]], 1)


@torch.no_grad()
def greedy(stepper: Stepper, features: Tensor, max_length: int) -> Tensor:
    """The likeliest word at each step: features (B, D) to words (B, T)."""
    words = features.new_zeros(len(features), max_length, dtype=torch.long)
    state, rows = stepper.begin(features), torch.arange(len(features), device=features.device)
    for t in range(max_length):
        word = stepper.likeliest(state.h)
        words[rows, t] = word
        rows, word, state = _drop_ended(rows, word, state)
        if not len(rows) or t + 1 == max_length:
            break
        state = stepper.step(word, state)
    return words


@torch.no_grad()
def sample(
    stepper: Stepper,
    features: Tensor,
    uniform: Tensor,
    keep: Tensor | None = None,
    config: DecodeConfig | None = None,
    trace: Trace | None = None,
) -> Tensor:
    """Draw captions (N, T) by inverting the distribution function at the given uniform numbers.

    features (B, D); uniform (N, T) in [0, 1), N a multiple of B; keep (N, T, H): dropout factors, or None.
    The draw of a caption depends on its own row of `uniform` alone.  `trace` is filled with what the words were
    drawn from.
    """
    config = config or DecodeConfig("sample")
    N, T = uniform.shape
    words = features.new_zeros(N, T, dtype=torch.long)
    rows = torch.arange(N, device=features.device)
    state = stepper.begin(features).pick(rows // (N // len(features)))
    for t in range(T):
        hidden = state.h if keep is None else state.h * keep[rows, t]
        word = stepper.draw(hidden, uniform[rows, t], config, None if trace is None else trace.logits)
        if trace is not None:
            trace.places.append((rows, t))
        words[rows, t] = word
        rows, word, state = _drop_ended(rows, word, state)
        if not len(rows) or t + 1 == T:
            break
        state = stepper.step(word, state)
    return words


def _drop_ended(rows: Tensor, word: Tensor, state: State) -> tuple[Tensor, Tensor, State]:
    going = (word != END).nonzero()[:, 0]
    if len(going) == len(rows):
        return rows, word, state
    return rows[going], word[going], state.pick(going)
