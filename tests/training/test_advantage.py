"""Advantages by hand, and the gradient of self-critical training against the gradient of the exact expected reward."""

import math

import pytest
import torch
from torch import Tensor
from toys import every_caption, padded, randn, slow_logprob, tiny_captioner

from probing_vlp.captioner.decode import begin_with_end, caption_lengths, greedy
from probing_vlp.captioner.fc import FCCaptioner
from probing_vlp.captioner.stepper import Stepper
from probing_vlp.training.advantage import greedy_advantage, leave_one_out_advantage, spread_within_images

NAN = math.nan


def test_greedy_by_hand() -> None:
    rewards, baseline = torch.tensor([[1.0, 4], [2, 2]]), torch.tensor([3.0, 0.5])
    assert greedy_advantage(rewards, baseline).tolist() == [[-2, 1], [1.5, 1.5]]


def test_greedy_without_scores() -> None:
    rewards = torch.tensor([[1, NAN, 5], [1, 2, 3], [NAN, NAN, NAN]])
    # an unscored sample, an unscored baseline, nothing scored
    assert greedy_advantage(rewards, torch.tensor([2, NAN, 1])).tolist() == [[-1, 0, 3], [0, 0, 0], [0, 0, 0]]


def test_leave_one_out_by_hand() -> None:
    # 1 - (4 + 7) / 2 = -4.5; 4 - (1 + 7) / 2 = 0; 7 - (1 + 4) / 2 = 4.5
    assert leave_one_out_advantage(torch.tensor([[1.0, 4, 7], [2, 2, 2]])).tolist() == [[-4.5, 0, 4.5], [0, 0, 0]]
    assert leave_one_out_advantage(torch.tensor([[1.0, 4]])).tolist() == [[-3, 3]]


def test_leave_one_out_without_scores() -> None:
    rewards = torch.tensor([[1, NAN, 5], [NAN, 3, NAN], [NAN, NAN, NAN]])
    # the unscored one is in nobody's baseline: 1 - 5, 5 - 1; a single scored one has nothing to be held against
    assert leave_one_out_advantage(rewards).tolist() == [[-4, 0, 4], [0, 0, 0], [0, 0, 0]]
    assert leave_one_out_advantage(torch.tensor([[3.0]])).tolist() == [[0]]


@pytest.mark.parametrize("shift", [0.0, 100.0])
def test_neither_depends_on_what_is_added_to_all_rewards(shift: float) -> None:
    rewards, held = randn(4, 5), randn(4, seed=1)
    torch.testing.assert_close(leave_one_out_advantage(rewards + shift), leave_one_out_advantage(rewards))
    torch.testing.assert_close(greedy_advantage(rewards + shift, held + shift), greedy_advantage(rewards, held))


def test_spread_by_hand() -> None:
    # image 0: mean 3, off by 2 and 2; image 1: mean 2, off by 1 and 1; image 2: one score, 0; image 3: none
    assert spread_within_images(torch.tensor([[1.0, 5]])) == 2
    assert spread_within_images(torch.tensor([[1, 5, NAN], [1, NAN, 3], [7, NAN, NAN], [NAN] * 3])) == (2 + 1 + 0) / 3
    assert math.isnan(spread_within_images(torch.tensor([[NAN, NAN]])))


VOCABULARY, LONGEST = 4, 3
CAPTIONS = every_caption(VOCABULARY, LONGEST)
WORDS = padded(CAPTIONS, LONGEST)
REWARDS = randn(len(CAPTIONS), seed=9)
DROPOUT = torch.tensor([[2.0, 0, 2, 2], [0, 2, 2, 0], [2, 2, 0, 2]], dtype=torch.float64)


@pytest.fixture(params=[None, DROPOUT], ids=["no dropout", "dropout"])
def keep(request: pytest.FixtureRequest) -> Tensor | None:
    """Dropout factors (T, H), the same for every caption: they are part of the policy."""
    return request.param


@pytest.fixture
def model() -> FCCaptioner:
    return tiny_captioner(VOCABULARY)


FEATURES = randn(1, 3, seed=1)


def exact(model: FCCaptioner, keep: Tensor | None) -> tuple[Tensor, list[Tensor]]:
    """p of every caption, and the gradient of the expected reward sum_c p(c) r(c), from the slow equations."""
    p = torch.stack([slow_logprob(model, FEATURES[0], caption, keep).sum() for caption in CAPTIONS]).exp()
    torch.testing.assert_close(p.sum().item(), 1.0)
    return p.detach(), list(torch.autograd.grad((p * REWARDS).sum(), list(model.parameters())))


def learned(model: FCCaptioner, weight: Tensor, keep: Tensor | None, end: bool = True) -> list[Tensor]:
    """Minus the gradient that training follows where captions have these weights; `end`: the end is a token."""
    lengths = caption_lengths(WORDS)
    scale = weight[:, None].repeat(1, LONGEST)
    if not end:
        scale = scale * (WORDS != 0)
    factors = None if keep is None else keep.expand(len(WORDS), *keep.shape)
    loss, _ = model(FEATURES, begin_with_end(WORDS), WORDS, lengths, scale, factors)
    return [-g for g in torch.autograd.grad(loss, list(model.parameters()))]


def test_greedy_baseline_gives_the_gradient_of_the_expected_reward(model: FCCaptioner, keep: Tensor | None) -> None:
    p, expected = exact(model, keep)
    said = greedy(Stepper(model), FEATURES, LONGEST)[0].tolist()
    held = REWARDS[WORDS.tolist().index(said)]
    advantage = greedy_advantage(REWARDS[None], held[None])[0]
    torch.testing.assert_close(learned(model, p * advantage, keep), expected)


def test_leave_one_out_gives_the_gradient_of_the_expected_reward(model: FCCaptioner, keep: Tensor | None) -> None:
    p, expected = exact(model, keep)
    n = len(CAPTIONS)
    pairs = torch.cartesian_prod(torch.arange(n), torch.arange(n))  # every draw of two captions
    advantage = leave_one_out_advantage(REWARDS[pairs]) * p[pairs].prod(1, keepdim=True)
    weight = torch.zeros(n, dtype=torch.float64).index_add(0, pairs.reshape(-1), advantage.reshape(-1))
    both = learned(model, weight, keep)
    torch.testing.assert_close([g / 2 for g in both], expected)  # each draw teaches twice


def test_a_caption_without_its_end_gives_another_gradient(model: FCCaptioner, keep: Tensor | None) -> None:
    p, expected = exact(model, keep)
    wrong = learned(model, p * REWARDS, keep, end=False)
    torch.testing.assert_close(learned(model, p * REWARDS, keep), expected)
    ours, theirs = (torch.cat([g.reshape(-1) for g in gradients]) for gradients in (wrong, expected))
    assert torch.linalg.vector_norm(ours - theirs) > 0.1 * torch.linalg.vector_norm(theirs)


def test_a_step_along_it_raises_the_expected_reward(model: FCCaptioner, keep: Tensor | None) -> None:
    p, gradient = exact(model, keep)
    with torch.no_grad():
        for parameter, g in zip(model.parameters(), gradient, strict=True):
            parameter += 0.01 * g
    assert (exact(model, keep)[0] * REWARDS).sum() > (p * REWARDS).sum()
