"""The two hand-written gradients against autograd and against finite differences."""

import math

import pytest
import torch
from torch import Tensor
from toys import randn

from probing_vlp.captioner.kernels import BLOCK, lstm_maxout, maxout_cell, weighted_nll

RAGGED = [[3, 3, 2, 1], [4], [2, 2], [5, 1, 1, 1, 1], [1, 1, 1]]


def nll_inputs(M: int, V: int = 7, H: int = 3) -> tuple[Tensor, ...]:
    target = torch.randint(V, (M,), generator=torch.Generator().manual_seed(1))
    hidden, weight, bias = randn(M, H), randn(V, H, seed=2), randn(V, seed=3)
    return hidden.requires_grad_(), weight.requires_grad_(), bias.requires_grad_(), target, randn(M, seed=4)


def plain_nll(hidden: Tensor, weight: Tensor, bias: Tensor, target: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    logprob = torch.log_softmax(hidden @ weight.t() + bias, 1)[torch.arange(len(target)), target]
    return -(scale * logprob).sum(), logprob


def test_weighted_nll_by_hand() -> None:
    # logits (log 1, log 3): p = (1/4, 3/4); loss = 2 log 4 - 0.5 log 3/4
    weight, hidden = torch.tensor([[0.0], [math.log(3)]]), torch.ones(2, 1)
    loss, logprob = weighted_nll(hidden, weight, torch.zeros(2), torch.tensor([0, 1]), torch.tensor([2.0, -0.5]))
    assert logprob.tolist() == pytest.approx([math.log(1 / 4), math.log(3 / 4)])
    assert loss.item() == pytest.approx(2 * math.log(4) + 0.5 * math.log(3 / 4))


@pytest.mark.parametrize("M", [1, 5, BLOCK, BLOCK + 1, 2 * BLOCK + 7])
def test_weighted_nll_is_log_softmax(M: int) -> None:
    inputs = nll_inputs(M)
    loss, logprob = weighted_nll(*inputs)
    expected_loss, expected_logprob = plain_nll(*inputs)
    torch.testing.assert_close(loss, expected_loss)
    torch.testing.assert_close(logprob, expected_logprob.detach())
    gradients = torch.autograd.grad(3 * loss, inputs[:3])
    torch.testing.assert_close(gradients, torch.autograd.grad(3 * expected_loss, inputs[:3]))


@pytest.mark.parametrize("pieces", [[1, 4], [BLOCK], [BLOCK + 1, 200, 30, 20], [300, 300, 2]])
def test_weighted_nll_with_known_logits_uses_them_up(pieces: list[int]) -> None:
    inputs = nll_inputs(sum(pieces))
    known = [(inputs[0] @ inputs[1].t() + inputs[2]).detach() for _ in pieces]
    known = [logits[at] for logits, at in zip(known, torch.arange(sum(pieces)).split(pieces), strict=True)]
    loss, logprob = weighted_nll(*inputs, known)
    assert known == []
    expected_loss, expected_logprob = weighted_nll(*inputs)
    torch.testing.assert_close((loss, logprob), (expected_loss, expected_logprob))
    gradients = torch.autograd.grad(loss, inputs[:3])
    torch.testing.assert_close(gradients, torch.autograd.grad(expected_loss, inputs[:3]))


def test_weighted_nll_without_gradients_gives_the_same_numbers() -> None:
    inputs = nll_inputs(BLOCK + 3)
    with torch.no_grad():
        bare = weighted_nll(*inputs)
    for ours, theirs in zip(bare, weighted_nll(*inputs), strict=True):
        torch.testing.assert_close(ours, theirs.detach())
        assert not ours.requires_grad


def test_weighted_nll_gradients_are_those_of_finite_differences() -> None:
    hidden, weight, bias, target, scale = nll_inputs(6)
    leaves = [hidden, weight, bias]
    gradients = torch.autograd.grad(weighted_nll(*leaves, target, scale)[0], leaves)
    for seed in range(5):
        way = [1e-6 * randn(*leaf.shape, seed=seed) for leaf in leaves]
        ahead, behind = (
            weighted_nll(*(leaf + sign * w for leaf, w in zip(leaves, way, strict=True)), target, scale)[0]
            for sign in (1, -1)
        )
        expected = sum((g * w).sum() for g, w in zip(gradients, way, strict=True))
        torch.testing.assert_close((ahead - behind).detach() / 2, expected, rtol=1e-6, atol=1e-13)


def test_weighted_nll_gradients_add_to_those_of_other_uses() -> None:
    hidden, *rest = nll_inputs(6)
    ours, theirs = (nll(hidden, *rest)[0] + nll(2 * hidden, *rest)[0] for nll in (weighted_nll, plain_nll))
    leaves = [hidden, *rest[:2]]
    torch.testing.assert_close(torch.autograd.grad(ours, leaves), torch.autograd.grad(theirs, leaves))


def test_weighted_nll_survives_huge_logits() -> None:
    hidden, weight = torch.tensor([[1e4], [-1e4]], requires_grad=True), torch.tensor([[1.0], [-1.0]])
    loss, logprob = weighted_nll(hidden, weight, torch.zeros(2), torch.tensor([0, 0]), torch.ones(2))
    assert logprob.tolist() == [0, -2e4]
    # p of word 0 is 1, then 0: the gradient is sum_w (p_w - target_w) W_w = 0, then (0 - 1) + (1)(-1) = -2
    assert torch.autograd.grad(loss, hidden)[0].tolist() == [[0], [-2]]


def test_maxout_cell_by_hand() -> None:
    # gates in, forget, out = 0, log 3, 0: sigmoid 1/2, 3/4, 1/2; candidates -1 and 2; c = 1/2 * 2 + 3/4 * 4 = 4
    gates = torch.tensor([[0, math.log(3), 0, -1, 2]])
    h, c = maxout_cell(gates, torch.tensor([[4.0]]))
    assert c.item() == pytest.approx(4)
    assert h.item() == pytest.approx(math.tanh(4) / 2)
    h, c = maxout_cell(gates, None)
    assert c.item() == pytest.approx(1)
    assert h.item() == pytest.approx(math.tanh(1) / 2)


def lstm_inputs(sizes: list[int], H: int = 3, words: int = 4) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """inputs, word, h, c, weight."""
    word = torch.randint(words, (sum(sizes),), generator=torch.Generator().manual_seed(5))
    state = randn(sizes[0], H, seed=6).requires_grad_(), randn(sizes[0], H, seed=7).requires_grad_()
    return randn(words, 5 * H).requires_grad_(), word, *state, randn(5 * H, H, seed=8).requires_grad_()


def step_by_step(inputs: Tensor, word: Tensor, sizes: list[int], h: Tensor, c: Tensor, weight: Tensor) -> Tensor:
    rows, start = [], 0
    for n in sizes:
        gates = inputs[word[start : start + n]] + h[:n] @ weight.t()
        i, f, o, a, b = gates.chunk(5, 1)
        c = torch.sigmoid(f) * c[:n] + torch.sigmoid(i) * torch.maximum(a, b)
        h = torch.sigmoid(o) * torch.tanh(c)
        rows.append(h)
        start += n
    return torch.cat(rows)


@pytest.mark.parametrize("sizes", RAGGED, ids=str)
def test_lstm_is_the_step_by_step_loop(sizes: list[int]) -> None:
    inputs, word, h, c, weight = lstm_inputs(sizes)
    hidden = lstm_maxout(inputs, word, sizes, h, c, weight)
    expected = step_by_step(inputs, word, sizes, h, c, weight)
    torch.testing.assert_close(hidden, expected)
    pull, leaves = randn(*hidden.shape, seed=9), [inputs, h, c, weight]
    torch.testing.assert_close(torch.autograd.grad(hidden, leaves, pull), torch.autograd.grad(expected, leaves, pull))


@pytest.mark.parametrize("sizes", RAGGED, ids=str)
def test_lstm_gradients_are_those_of_finite_differences(sizes: list[int]) -> None:
    inputs, word, h, c, weight = lstm_inputs(sizes, H=2)
    assert torch.autograd.gradcheck(lambda i, h, c, w: lstm_maxout(i, word, sizes, h, c, w), (inputs, h, c, weight))


def test_bfloat16_products_stay_near_the_exact_numbers() -> None:
    nll = [x.float().detach().requires_grad_() if x.is_floating_point() else x for x in nll_inputs(40)]
    lstm = [x.float().detach().requires_grad_() if x.is_floating_point() else x for x in lstm_inputs([4, 3, 1])]
    with torch.autocast("cpu", torch.bfloat16):
        loss, _ = weighted_nll(*nll)
        hidden = lstm_maxout(lstm[0], lstm[1], [4, 3, 1], *lstm[2:])
    assert loss.dtype == hidden.dtype == torch.float32
    expected = step_by_step(lstm[0], lstm[1], [4, 3, 1], *lstm[2:])
    # bfloat16 keeps 8 bits: products are off by up to 1 in 256
    torch.testing.assert_close(loss, plain_nll(*nll)[0], rtol=0.02, atol=0.1)
    torch.testing.assert_close(hidden, expected, rtol=0.02, atol=0.02)
    torch.testing.assert_close(
        torch.autograd.grad(hidden.sum(), lstm[4]), torch.autograd.grad(expected.sum(), lstm[4]), rtol=0.05, atol=0.05
    )
    torch.testing.assert_close(
        torch.autograd.grad(loss, nll[1]), torch.autograd.grad(plain_nll(*nll)[0], nll[1]), rtol=0.05, atol=0.1
    )
