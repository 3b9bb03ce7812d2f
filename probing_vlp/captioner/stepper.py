"""One step of a caption: the model laid out for stepping, and how its next words are chosen.

rows: living captions, V vocabulary, H hidden.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from probing_vlp.captioner.argmax import PROMISING, ExactArgmax
from probing_vlp.captioner.fc import FCCaptioner, State
from probing_vlp.captioner.kernels import maxout_cell
from probing_vlp.errors import UserError, check_least

END = 0
"""The word that begins and ends a caption."""


@dataclass
class DecodeConfig:
    """How captions are decoded."""

    method: Literal["greedy", "sample", "beam"] = "greedy"
    """Way of choosing words."""
    max_length: int = 20
    """Words at most; a caption that has not ended by then is cut."""
    unknown: bool = False
    """May write <unk>.  Whether or not, log-probabilities are those of the model that may."""
    beam: int = 5
    """Width of the beam search."""
    temperature: float = 1.0
    """Divides the logits before sampling."""
    top_k: int = 0
    """Sample among the k likeliest words only; 0: all."""
    top_p: float = 1.0
    """Sample among the likeliest words that make up this probability only; 1: all."""

    def __post_init__(self) -> None:
        check_least(self, 1, "max_length", "beam")
        check_least(self, 0, "top_k")
        if not 0 < self.top_p <= 1:
            raise UserError(f"--decoding.top_p {self.top_p}: must be more than 0 and 1 at most")
        check_least(self, 1e-6, "temperature")


class Stepper:
    """The model laid out for stepping: transposed weights, and the input gates of words kept once computed.

    Holds for one state of the weights: make a new one after an optimiser step.  `banned` words are never chosen.
    """

    def __init__(self, model: FCCaptioner, banned: Sequence[int] = ()) -> None:
        self.model, self.bias, self.banned = model, model.bias.detach(), list(banned)
        self.output = model.output.weight.detach().t().contiguous()  # (H, V)
        self.recurrent = model.recurrent_gates.weight.detach().t().contiguous()  # (H, 5H)
        self.known = torch.zeros(model.vocabulary_size, dtype=torch.bool, device=self.bias.device)
        self.gates = self.bias.new_empty(model.vocabulary_size, len(self.bias))  # (V, 5H), filled on demand
        self._argmax: ExactArgmax | None = None
        if self.bias.is_cuda:  # asking which words are new would wait for the GPU at every step
            self._fill(torch.arange(model.vocabulary_size, device=self.bias.device))

    def begin(self, features: Tensor) -> State:
        """State (B, H) after the image and the beginning word."""
        return self.model.begin(features)

    def step(self, words: Tensor, state: State) -> State:
        """State after feeding `words` (rows,)."""
        gates = torch.addmm(self._word_gates(words), state.h, self.recurrent)
        return State(*maxout_cell(gates, state.c))

    def branch(self, words: Tensor, state: State, rows: Tensor) -> State:
        """State after feeding `words` (n,), the i-th to row `rows[i]` of the state: rows may be fed several words."""
        parents, parent = torch.unique(rows, return_inverse=True)
        gates = self._word_gates(words).add_((state.h[parents] @ self.recurrent).index_select(0, parent))
        return State(*maxout_cell(gates, state.c.index_select(0, rows)))

    def logits(self, hidden: Tensor) -> Tensor:
        """(rows, V) from hidden (rows, H), the banned words among them."""
        return torch.addmm(self.model.output.bias, hidden, self.output)

    def likeliest(self, hidden: Tensor) -> Tensor:
        """The word of the largest logit (rows,)."""
        small = self.model.vocabulary_size < 4 * PROMISING
        if self.bias.is_cuda or small or (self._argmax and self._argmax.useless):
            return self._ban(self.logits(hidden)).argmax(1)
        if self._argmax is None:
            norm = float(torch.linalg.vector_norm(hidden, dim=1).mean())
            bias = self._ban(self.model.output.bias.detach().clone()[None])[0]
            self._argmax = ExactArgmax(self.model.output.weight.detach(), bias, norm)
        return self._argmax(hidden)

    def draw(self, hidden: Tensor, uniform: Tensor, config: DecodeConfig, kept: list[Tensor] | None = None) -> Tensor:
        """A word (rows,) by inverse distribution function at uniform (rows,); `kept` gets the model's own logits."""
        logits = self.logits(hidden)
        if kept is not None:
            kept.append(logits.clone() if self.banned else logits)
        return draw(self._ban(logits), uniform, config)

    def best_words(self, hidden: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """Log-probabilities and ids (rows, count) of the likeliest words, in nats."""
        logits = self.logits(hidden)
        hidden_words = logits[:, self.banned].clone()
        value, word = largest(self._ban(logits), count)
        top = torch.cat([value[:, :1], hidden_words], 1).amax(1, keepdim=True)
        total = logits.sub_(top).exp_().sum(1, keepdim=True) + (hidden_words - top).exp_().sum(1, keepdim=True)
        return value - top - total.log_(), word

    def _word_gates(self, words: Tensor) -> Tensor:
        """(n, 5H), a copy."""
        if not self.bias.is_cuda and not self.known[words].all():
            self._fill(torch.unique(words[~self.known[words]]))
        return self.gates.index_select(0, words)

    def _ban(self, logits: Tensor) -> Tensor:
        if self.banned:
            logits[:, self.banned] = float("-inf")
        return logits

    def _fill(self, words: Tensor) -> None:
        self.gates[words] = self.model.word_gates(words)
        self.known[words] = True


def make_stepper(model: FCCaptioner, config: DecodeConfig) -> Stepper:
    """A stepper that writes what the configuration allows; the last word of a vocabulary is <unk>."""
    return Stepper(model, () if config.unknown else (model.vocabulary_size - 1,))


def largest(values: Tensor, count: int, width: int = 64) -> tuple[Tensor, Tensor]:
    """The `count` largest of each row of values (rows, V), with their places: what `topk` finds, in half its time.

    They lie in the `count` blocks of `width` columns that have the largest maxima, or behind the last whole block.
    """
    rows, V = values.shape
    blocks = V // width
    if values.is_cuda or blocks <= 2 * count:
        return values.topk(count, 1)
    body = values[:, : blocks * width].view(rows, blocks, width)
    best = body.amax(2).topk(count, 1).indices[:, :, None]
    some = body.gather(1, best.expand(-1, -1, width)).view(rows, -1)
    value, place = torch.cat([some, values[:, blocks * width :]], 1).topk(count, 1)
    columns = torch.arange(V, device=values.device)
    inside = (best * width + columns[:width]).view(rows, -1)
    return value, torch.cat([inside, columns[blocks * width :].expand(rows, -1)], 1).gather(1, place)


def draw(logits: Tensor, uniform: Tensor, config: DecodeConfig) -> Tensor:
    """A word (rows,) for logits (rows, V) by inverse distribution function at uniform (rows,)."""
    if config.temperature != 1:
        logits = logits / config.temperature
    if 0 < config.top_k < logits.shape[1]:
        floor = logits.topk(config.top_k, 1).values[:, -1:]
        logits = logits.masked_fill(logits < floor, float("-inf"))
    if config.top_p < 1:
        logits = _nucleus(logits, config.top_p)
    upto = torch.softmax(logits, 1).cumsum_(1)
    # right=True: a word of probability zero is never drawn
    word = torch.searchsorted(upto, (uniform * upto[:, -1])[:, None], right=True)[:, 0]
    return word.clamp_(max=logits.shape[1] - 1)


def _nucleus(logits: Tensor, top_p: float) -> Tensor:
    """Keep the likeliest words up to and with the one that reaches `top_p`."""
    ordered, index = logits.sort(1, descending=True)
    before = torch.softmax(ordered, 1).cumsum(1) - torch.softmax(ordered, 1)
    return logits.masked_fill(
        torch.zeros_like(logits, dtype=torch.bool).scatter(1, index, before >= top_p), float("-inf")
    )
