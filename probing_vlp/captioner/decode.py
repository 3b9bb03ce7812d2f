"""Decoding: greedy, sampling (temperature, top-k, top-p) and beam search with an exact early stop.

B images, N captions (image by image), T steps at most, V vocabulary, H hidden, K beams.
Finished captions leave the batch, so that a step costs what its living rows cost.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from probing_vlp.captioner.argmax import PROMISING, ExactArgmax
from probing_vlp.captioner.fc import FCCaptioner, State, Trace
from probing_vlp.captioner.kernels import maxout_cell
from probing_vlp.errors import UserError, check_least

END = 0
"""The word that begins and ends a caption."""


class Decoded(NamedTuple):
    """Captions (N, T) int64, zero from the end on, and logprob (N,): of their words and their end, in nats."""

    words: Tensor
    logprob: Tensor


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
        if not self.bias.is_cuda and not self.known[words].all():
            self._fill(torch.unique(words[~self.known[words]]))
        gates = torch.addmm(self.gates.index_select(0, words), state.h, self.recurrent)
        return State(*maxout_cell(gates, state.c))

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
        lse = torch.logsumexp(logits, 1, keepdim=True)
        value, word = self._ban(logits).topk(count, 1)
        return value - lse, word

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
        state = stepper.step(word[alive], state.pick(row_of[parent_rows[alive]]))
    return best


def _keep_best(best: Decoded, image: Tensor, prefix: Tensor, score: Tensor, ended: Tensor) -> Tensor:
    """Note each image's best ended caption; the scores of the living that can still beat it, -inf for the rest."""
    value, which = score.masked_fill(~ended, float("-inf")).max(1)
    better = (value > best.logprob[image]).nonzero()[:, 0]
    best.logprob[image[better]] = value[better]
    best.words[image[better], : prefix.shape[2]] = prefix[better, which[better]]
    return score.masked_fill(ended | (score <= best.logprob[image, None]), float("-inf"))
