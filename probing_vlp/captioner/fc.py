"""The FC captioner of Rennie et al. 2017: an LSTM with maxout input, shown the image once, before the first word.

B images, N captions (N = B x captions an image, image by image), T time, M packed tokens, V vocabulary, H hidden.
Word 0 begins and ends a caption and is an ordinary target: the end is part of the sequence.

Deviations from Rennie et al.: none in the equations; the layer sizes (512/512), the dropout of 0.5 on what the output
layer reads and the two biases of the recurrence follow the public FC models of that line, so that their weights fit
one to one.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn

from probing_vlp.captioner.kernels import lstm_maxout, maxout_cell, weighted_nll
from probing_vlp.errors import UserError, check_least


@dataclass
class FCConfig:
    """Sizes of the FC captioner."""

    hidden: int = 512
    """Units of the LSTM."""
    embedding: int = 512
    """Size of the word embedding and of the projected image."""
    dropout: float = 0.5
    """Dropout on the hidden state before the output layer, in training."""

    def __post_init__(self) -> None:
        check_least(self, 1, "hidden", "embedding")
        if not 0 <= self.dropout < 1:
            raise UserError(f"--captioner.dropout {self.dropout}: must be 0 or more and less than 1")


class State(NamedTuple):
    """Hidden and cell state, (rows, H) each."""

    h: Tensor
    c: Tensor

    def pick(self, rows: Tensor) -> "State":
        """The states of the given rows."""
        return State(self.h.index_select(0, rows), self.c.index_select(0, rows))


class FCCaptioner(nn.Module):
    """Weights and the two ways through them: teacher-forced over a packed batch, or one step at a time."""

    def __init__(self, feature_dim: int, vocabulary_size: int, config: FCConfig) -> None:
        super().__init__()
        self.config, self.feature_dim, self.vocabulary_size = config, feature_dim, vocabulary_size
        self.image = nn.Linear(feature_dim, config.embedding)
        self.word = nn.Embedding(vocabulary_size, config.embedding)
        self.input_gates = nn.Linear(config.embedding, 5 * config.hidden)
        self.recurrent_gates = nn.Linear(config.hidden, 5 * config.hidden)
        self.output = nn.Linear(config.hidden, vocabulary_size)

    def forward(
        self,
        features: Tensor,
        inputs: Tensor,
        targets: Tensor,
        lengths: Tensor,
        scale: Tensor,
        keep: Tensor | None = None,
        trace: "Trace | None" = None,
        temperature: float = 1.0,
    ) -> tuple[Tensor, Tensor]:
        """-sum scale * log p(target) over a teacher-forced batch, and each caption's token log-probabilities.

        features (B, D); inputs (N, T): the word fed at each step, the first column being the beginning; targets (N, T);
        lengths (N,): targets that count, the end among them; scale (N, T): weight of each target; keep (N, T, H) or
        None: dropout factors; trace: where `targets` were sampled by these very weights and factors, what they were
        drawn from, so that it need not be computed again (it is used up, and stands for temperature 1); temperature:
        divides the logits.  Returns the scalar and logprob (N, T), zero beyond the length.
        """
        packed = Packed(lengths, inputs.shape[1])
        hidden = self.hidden_states(features, inputs, packed)
        row, time = packed.row, packed.time
        if trace is not None:
            row, time = trace.rows(), trace.times()
            at = torch.empty_like(inputs)
            at[packed.row, packed.time] = torch.arange(len(packed.row), device=at.device)
            hidden = hidden[at[row, time]]
        if keep is not None:
            hidden = hidden * keep[row, time]
        bias: Tensor = self.output.bias
        if temperature != 1:
            hidden, bias = hidden / temperature, bias / temperature
        known = None if trace is None else trace.logits
        loss, logprob = weighted_nll(hidden, self.output.weight, bias, targets[row, time], scale[row, time], known)
        out = logprob.new_zeros(inputs.shape)
        out[row, time] = logprob
        return loss, out

    def hidden_states(self, features: Tensor, inputs: Tensor, packed: "Packed") -> Tensor:
        """Hidden state (M, H) after each packed input; the image and the first word are run once an image."""
        later = inputs[packed.row, packed.time][len(inputs) :]
        words, which = torch.unique(later, return_inverse=True)
        gates = self.word_gates(torch.cat([words.new_zeros(1), words]))  # one look-up makes one dense gradient
        state = self.begin(features, gates[:1])
        image = packed.order // (len(inputs) // len(features))
        first = State(state.h[image], state.c[image])
        if not len(later):
            return first.h
        n = packed.sizes[1]
        rest = lstm_maxout(
            gates[1:].to(first.h.dtype), which, packed.sizes[1:], first.h[:n], first.c[:n], self.recurrent_gates.weight
        )
        return torch.cat([first.h, rest])

    def begin(self, features: Tensor, beginning: Tensor | None = None) -> State:
        """State (B, H) after the image and the beginning word, whose gates (1, 5H) may be given."""
        dtype = self.output.weight.dtype
        if beginning is None:
            beginning = self.word_gates(torch.zeros(1, dtype=torch.long, device=features.device))
        gates = nn.functional.linear(self.image(features), self.input_gates.weight, self.bias)
        state = State(*maxout_cell(gates.to(dtype), None))
        gates = beginning + nn.functional.linear(state.h, self.recurrent_gates.weight)
        return State(*maxout_cell(gates.to(dtype), state.c))

    def word_gates(self, words: Tensor) -> Tensor:
        """Gates (rows, 5H) from words (rows,), the biases of the recurrence included."""
        return nn.functional.linear(self.word(words), self.input_gates.weight, self.bias)

    @property
    def bias(self) -> Tensor:
        """Both biases of the recurrence, (5H,)."""
        return self.input_gates.bias + self.recurrent_gates.bias


@dataclass
class Trace:
    """What sampled words were drawn from: for each step the logits (rows, V), and the rows (rows,) with its number.

    The gradient of log p(word) needs the whole distribution, so a gather will not do: without the trace the logits
    are multiplied out again.  It holds living rows only, and each block goes as soon as it has become a gradient.
    """

    logits: list[Tensor] = field(default_factory=list)
    places: list[tuple[Tensor, int]] = field(default_factory=list)

    def rows(self) -> Tensor:
        """Row (M,) of every word, in the order of the logits."""
        return torch.cat([rows for rows, _ in self.places])

    def times(self) -> Tensor:
        """Step (M,) of every word."""
        return torch.cat([torch.full_like(rows, t) for rows, t in self.places])


class Packed:
    """Which rows are alive at each step, the longest captions first.

    `order` (N,): rows by falling length; `sizes`: rows alive at each step; `row`, `time` (M,): where each packed
    token comes from.
    """

    def __init__(self, lengths: Tensor, time: int) -> None:
        counts = lengths.cpu()
        order = torch.argsort(counts, descending=True, stable=True)
        steps = torch.arange(time)
        alive = (counts[:, None] > steps).sum(0)
        self.sizes: list[int] = [n for n in alive.tolist() if n]
        rows = torch.cat([order[:n] for n in self.sizes])
        times = torch.repeat_interleave(steps[: len(self.sizes)], alive[: len(self.sizes)])
        self.order, self.row, self.time = (x.to(lengths.device) for x in (order, rows, times))
