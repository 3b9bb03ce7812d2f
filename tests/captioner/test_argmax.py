"""The pruned argmax is the plain one, and really prunes."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from probing_vlp.captioner.argmax import PROMISING, ExactArgmax

LARGE = 5000
assert LARGE > PROMISING


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def peaked(V: int, H: int = 16) -> tuple[Tensor, Tensor]:
    """Like a trained captioner: words by falling frequency, rare ones with small rows and low biases."""
    rank = torch.arange(V)[:, None] / V
    return normal(V, H) * (1.5 - 1.4 * rank), -8 * rank[:, 0] - normal(V, seed=1).abs()


def check(
    weight: Tensor, bias: Tensor, hidden: Tensor, likely_norm: float | None = None, clear_rows: float = 0.8
) -> None:
    norm = float(torch.linalg.vector_norm(hidden, dim=1).mean()) if likely_norm is None else likely_norm
    words = ExactArgmax(weight, bias, norm)(hidden)
    logits = hidden.double() @ weight.double().t() + bias.double()
    best, found = logits.max(1).values, logits[torch.arange(len(hidden)), words]
    # two words closer than float32 can tell apart may change places, and no others
    assert torch.all(best - found <= 1e-5 * (1 + best.abs()))
    clear = logits.topk(2, 1).values.diff(dim=1)[:, 0].abs() > 1e-4 * (1 + best.abs())
    assert clear.float().mean() > clear_rows
    assert torch.equal(words[clear], logits.argmax(1)[clear])


@pytest.mark.parametrize("V", [2, 37, PROMISING, PROMISING + 1, LARGE])
def test_random_weights(V: int) -> None:
    check(normal(V, 16), normal(V, seed=1), normal(50, 16, seed=2))


@pytest.mark.parametrize("V", [37, LARGE])
def test_peaked_weights(V: int) -> None:
    check(*peaked(V), normal(200, 16, seed=2))


@pytest.mark.parametrize("likely_norm", [0.0, 1e-3, 1e3])
def test_a_bad_guess_of_the_norm_costs_time_only(likely_norm: float) -> None:
    check(*peaked(LARGE), normal(50, 16, seed=2), likely_norm)


@pytest.mark.parametrize("factor", [1e-6, 30.0, 1e6])
def test_tiny_and_huge_hidden_states(factor: float) -> None:
    check(*peaked(LARGE), normal(50, 16, seed=2) * factor)


def test_rows_that_share_a_large_part() -> None:
    # what parts the words is a thousandth of what they share, as float32 squares would not see
    check(100 + 0.03 * normal(LARGE, 16), normal(LARGE, seed=1) * 1e-3, normal(200, 16, seed=2), clear_rows=0.3)


def test_ties_go_to_the_smallest_id() -> None:
    # whole numbers: every float32 logit is exact, so equal ones are equal
    hidden = torch.randint(-1, 2, (60, 4), generator=torch.Generator().manual_seed(3)).float()
    weight = torch.randint(-2, 3, (LARGE, 4), generator=torch.Generator().manual_seed(4)).float()
    bias = torch.randint(-1, 2, (LARGE,), generator=torch.Generator().manual_seed(5)).float()
    logits = hidden @ weight.t() + bias
    first = (logits == logits.amax(1, keepdim=True)).int().argmax(1)
    assert ((logits == logits.amax(1, keepdim=True)).sum(1) > 1).float().mean() > 0.9
    assert torch.equal(ExactArgmax(weight, bias, 1.4)(hidden), first)
    assert torch.equal(
        ExactArgmax(weight[:50], bias[:50], 1.4)(hidden),
        (logits[:, :50] == logits[:, :50].amax(1, keepdim=True)).int().argmax(1),
    )


def test_all_words_equal() -> None:
    assert ExactArgmax(torch.ones(LARGE, 4), torch.zeros(LARGE), 1.0)(normal(5, 4)).tolist() == [0] * 5


@pytest.mark.parametrize("V", [37, LARGE])
def test_banned_words_are_never_chosen(V: int) -> None:
    weight, bias = peaked(V)
    hidden = normal(100, 16, seed=2)
    banned = torch.unique((hidden @ weight.t() + bias).argmax(1))
    bias[banned] = float("-inf")
    words = ExactArgmax(weight, bias, 4.0)(hidden)
    assert not torch.isin(words, banned).any()
    assert torch.equal(words, (hidden @ weight.t() + bias).argmax(1))


def test_the_best_word_may_be_one_that_did_not_promise() -> None:
    weight, bias = peaked(LARGE)
    unlikely = LARGE - 1
    weight[unlikely] = 0.5
    exact = ExactArgmax(weight, bias, 4.0)
    assert exact(torch.full((1, 16), 1e3)).item() == (torch.full((1, 16), 1e3) @ weight.t() + bias).argmax().item()
    direction = 40 * weight[unlikely][None] / weight[unlikely].norm()
    weight[unlikely] *= 20
    assert ExactArgmax(weight, bias, 0.0)(direction).item() == unlikely  # bias alone chose the promising words


class CountLogits(TorchFunctionMode):
    """Counts the numbers that matrix products give."""

    count = 0

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        if function in (torch.addmm, torch.mm, torch.matmul, Tensor.matmul, Tensor.__matmul__):
            self.count += result.numel()
        return result


def words_looked_at(weight: Tensor, bias: Tensor, hidden: Tensor) -> float:
    """Logits of a row that a call computes."""
    exact = ExactArgmax(weight, bias, float(torch.linalg.vector_norm(hidden, dim=1).mean()))
    with CountLogits() as counter:
        exact(hidden)
    return counter.count / len(hidden)


def test_most_logits_of_a_peaked_model_are_never_computed() -> None:
    hidden = normal(50, 16, seed=2)
    assert PROMISING <= words_looked_at(*peaked(LARGE), hidden) < LARGE / 2
    # in an untrained one the bound rules out little
    assert words_looked_at(normal(LARGE, 16), torch.zeros(LARGE), hidden) > 0.8 * LARGE
