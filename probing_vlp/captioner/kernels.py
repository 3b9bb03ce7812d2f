"""The two pieces of arithmetic that a captioner spends its time in, with hand-written gradients.

B rows, T time, M packed tokens (sum of lengths), V vocabulary, H hidden.

`weighted_nll` makes a block of rows of the (M, V) logits at a time, turns it into its gradient in place and goes on.
`lstm_maxout` runs a packed sequence, so that a finished caption costs nothing, and collects the gates so
that the weight gradient is one product.
"""

import itertools
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

BLOCK = 512
"""Rows of logits held at a time, give or take a half: 512 x 9,488 x 4 bytes = 19 MB; larger blocks gain nothing."""


class _WeightedNLL(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor,
        target: Tensor,
        scale: Tensor,
        known: list[Tensor] | None,
    ) -> tuple[Tensor, Tensor]:
        dtype = _compute_dtype(hidden)
        table = weight.to(dtype)
        logprob = hidden.new_empty(len(hidden))
        grad_hidden, grad_weight, grad_bias = torch.empty_like(hidden), torch.empty_like(weight), torch.zeros_like(bias)
        for rows, logits in _blocks(len(hidden), known):
            h, aim = hidden[rows], target[rows, None]
            if logits is None:
                logits = _logits(h, table, bias)
            top = logits.amax(1, keepdim=True)
            picked = logits.gather(1, aim) - top
            p = logits.sub_(top).exp_()  # softmax times its sum
            total = p.sum(1, keepdim=True)
            torch.sub(picked[:, 0], total[:, 0].log(), out=logprob[rows])
            p.scatter_add_(1, aim, -total)  # (softmax - onehot) times the sum
            factor = scale[rows, None] / total  # undoes the sum on the small matrices
            grad_bias.addmv_(p.t(), factor[:, 0])
            p, h = p.to(dtype), (h * factor).to(dtype)
            if dtype == weight.dtype:
                torch.mm(p, table, out=grad_hidden[rows]).mul_(factor)
                torch.addmm(grad_weight, p.t(), h, beta=float(rows.start > 0), out=grad_weight)
            else:
                grad_hidden[rows] = (p @ table) * factor
                grad_weight = p.t() @ h + (grad_weight if rows.start else 0)
        ctx.save_for_backward(grad_hidden, grad_weight, grad_bias)
        ctx.mark_non_differentiable(logprob)
        return -(logprob * scale).sum(), logprob

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        grad_hidden, grad_weight, grad_bias = ctx.saved_tensors
        return grad_hidden * grad, grad_weight.mul_(grad), grad_bias * grad, None, None, None


def weighted_nll(
    hidden: Tensor, weight: Tensor, bias: Tensor, target: Tensor, scale: Tensor, known: list[Tensor] | None = None
) -> tuple[Tensor, Tensor]:
    """-sum_m scale_m log p(target_m | hidden_m), and the log-probabilities themselves.

    hidden (M, H), weight (V, H), bias (V,), target (M,) int64, scale (M,); known: the logits of these hidden states
    where they are known already, (rows, V) each and M rows in all: they are used up.  Returns the scalar and logprob
    (M,), in nats; the gradient flows through the scalar alone.
    """
    if torch.is_grad_enabled():
        loss, logprob = _WeightedNLL.apply(hidden, weight, bias, target, scale, known)
        return loss, logprob
    table, logprob = weight.to(_compute_dtype(hidden)), hidden.new_empty(len(hidden))
    for rows, logits in _blocks(len(hidden), known):
        block = torch.log_softmax(_logits(hidden[rows], table, bias) if logits is None else logits, 1)
        logprob[rows] = block.gather(1, target[rows, None])[:, 0]
    return -(logprob * scale).sum(), logprob


def _blocks(rows: int, known: list[Tensor] | None) -> Iterator[tuple[slice, Tensor | None]]:
    """Equal parts of about BLOCK rows, as a small last one would be slow to multiply; or as `known` has them, small
    ones joined, each let go as the next is asked for."""
    size = -(-rows // max(1, round(rows / BLOCK)))
    start = 0
    while start < rows:
        logits = None if known is None else _join(known, BLOCK // 2)
        stop = min(start + size, rows) if logits is None else start + len(logits)
        yield slice(start, stop), logits
        start = stop


def _join(parts: list[Tensor], rows: int) -> Tensor:
    """The first of `parts`, taken out of them, with those that follow until `rows` rows are together."""
    taken = [parts.pop(0)]
    while parts and sum(map(len, taken)) < rows:
        taken.append(parts.pop(0))
    return taken[0] if len(taken) == 1 else torch.cat(taken)


def _logits(hidden: Tensor, table: Tensor, bias: Tensor) -> Tensor:
    """(rows, V), multiplied in the table's dtype, in the bias's."""
    return torch.addmm(bias.to(table.dtype), hidden.to(table.dtype), table.t()).to(bias.dtype)


def maxout_cell(gates: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
    """One step of the LSTM with maxout input: gates (B, 5H) in the order in, forget, out, two candidates; c (B, H).

    c = None stands for the zero state.  Returns h and c, (B, H) each.  Rennie et al. 2017, as in the FC models that
    follow it.
    """
    H = gates.shape[1] // 5
    sigmoid = torch.sigmoid(gates[:, : 3 * H])
    c_new = sigmoid[:, :H] * torch.maximum(gates[:, 3 * H : 4 * H], gates[:, 4 * H :])
    if c is not None:
        c_new = torch.addcmul(c_new, sigmoid[:, H : 2 * H], c)
    return sigmoid[:, 2 * H :] * torch.tanh(c_new), c_new


class _PackedLSTM(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, word: Tensor, sizes: list[int], h: Tensor, c: Tensor, weight: Tensor
    ) -> Tensor:
        H = h.shape[1]
        dtype = _compute_dtype(h)
        M = sum(sizes)
        gates = h.new_empty(M, 5 * H)
        cells, tanh_cells, hidden = (h.new_empty(M, H) for _ in range(3))
        transposed = weight.t().to(dtype).contiguous()
        start, last_h, last_c = 0, h, c
        for n in sizes:
            rows = slice(start, start + n)
            z = gates[rows]
            torch.index_select(inputs, 0, word[rows], out=z)
            if dtype == z.dtype:
                z.addmm_(last_h[:n], transposed)
            else:
                z.add_(last_h[:n].to(dtype) @ transposed)
            z[:, : 3 * H].sigmoid_()
            torch.maximum(z[:, 3 * H : 4 * H], z[:, 4 * H :], out=hidden[rows])  # hidden used as scratch
            new_c = torch.mul(z[:, :H], hidden[rows], out=cells[rows])
            new_c.addcmul_(z[:, H : 2 * H], last_c[:n])
            torch.tanh(new_c, out=tanh_cells[rows])
            torch.mul(tanh_cells[rows], z[:, 2 * H : 3 * H], out=hidden[rows])
            start, last_h, last_c = start + n, hidden[rows], new_c
        ctx.sizes, ctx.dtype = sizes, dtype
        ctx.save_for_backward(inputs, word, h, c, weight, gates, cells, tanh_cells, hidden)
        return hidden

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        inputs, word, h, c, weight, gates, cells, tanh_cells, hidden = ctx.saved_tensors
        sizes, dtype, H = ctx.sizes, ctx.dtype, h.shape[1]
        table = weight.to(dtype)
        d_gates = torch.empty_like(gates)
        d_h, d_c = torch.zeros_like(h), torch.zeros_like(c)
        start = len(gates)
        for t in reversed(range(len(sizes))):
            n = sizes[t]
            start -= n
            rows = slice(start, start + n)
            previous = slice(start - sizes[t - 1], start - sizes[t - 1] + n)
            last_c = c[:n] if t == 0 else cells[previous]
            z, d, tanh_c = gates[rows], d_gates[rows], tanh_cells[rows]
            i, f, o, first, second = (z[:, k * H : (k + 1) * H] for k in range(5))
            dh = d_h[:n].add_(grad[rows])
            through = dh * o
            dc = d_c[:n].add_(through).addcmul_(through.mul_(tanh_c), tanh_c, value=-1)  # tanh' = 1 - tanh^2
            torch.mul(dc, torch.maximum(first, second), out=d[:, :H])
            torch.mul(dc, last_c, out=d[:, H : 2 * H])
            torch.mul(dh, tanh_c, out=d[:, 2 * H : 3 * H])
            sigmoid = z[:, : 3 * H]
            d[:, : 3 * H].mul_(torch.addcmul(sigmoid, sigmoid, sigmoid, value=-1))  # sigmoid' = sigmoid - sigmoid^2
            du = dc * i
            torch.mul(du, first >= second, out=d[:, 3 * H : 4 * H])
            torch.sub(du, d[:, 3 * H : 4 * H], out=d[:, 4 * H :])
            dc.mul_(f)
            if dtype == d.dtype:
                torch.mm(d, table, out=dh)
            else:
                dh.copy_(d.to(dtype) @ table)
        before = torch.cat([h, *(hidden[s : s + n] for s, n in _previous_rows(sizes))])
        d_weight = (d_gates.to(dtype).t() @ before.to(dtype)).to(weight.dtype)
        d_inputs = torch.zeros_like(inputs).index_add_(0, word, d_gates)
        return d_inputs, None, None, d_h, d_c, d_weight


def lstm_maxout(inputs: Tensor, word: Tensor, sizes: list[int], h: Tensor, c: Tensor, weight: Tensor) -> Tensor:
    """Run a packed batch through the LSTM with maxout.

    inputs (U, 5H): input gates (biases included) of U distinct words; word (M,) int64: which of them each packed
    token is fed;
    sizes: rows alive at each step, never growing, sum M; h, c (B, H): state before the first step, B = sizes[0];
    weight (5H, H): recurrent weight.  Returns the hidden states (M, H), packed in time order.
    """
    return _PackedLSTM.apply(inputs, word, sizes, h, c, weight)


def _previous_rows(sizes: list[int]) -> list[tuple[int, int]]:
    """Start and count, in packed order, of the hidden states that steps 1.. start from."""
    rows, start = [], 0
    for now, following in itertools.pairwise(sizes):
        rows.append((start, following))
        start += now
    return rows


def _compute_dtype(tensor: Tensor) -> torch.dtype:
    """The dtype of matrix products: autocast's where accelerate has switched it on, else the tensor's own."""
    kind = tensor.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else tensor.dtype
