"""The captioner's two ways through its weights, against its equations."""

import math

import pytest
import torch
from toys import padded, randn, slow_logprob, tiny_captioner

from probing_vlp.captioner.decode import begin_with_end, caption_lengths, sample
from probing_vlp.captioner.fc import FCCaptioner, FCConfig, Packed, Trace
from probing_vlp.captioner.stepper import Stepper

CAPTIONS = [[1, 2, 0], [0], [3, 3, 1, 0], [2, 0], [4, 1, 2, 3], [0]]  # the fifth was cut
WORDS, LENGTHS = padded(CAPTIONS, 4), torch.tensor([3, 1, 4, 2, 4, 1])


def test_lengths_and_inputs_of_captions() -> None:
    assert caption_lengths(WORDS).tolist() == LENGTHS.tolist()
    assert begin_with_end(WORDS)[[0, 4]].tolist() == [[0, 1, 2, 0], [0, 4, 1, 2]]


def test_packed_rows_by_hand() -> None:
    packed = Packed(torch.tensor([2, 3, 1, 3]), 4)
    assert packed.order.tolist() == [1, 3, 0, 2]  # by falling length, else in order
    assert packed.sizes == [4, 3, 2]
    assert packed.row.tolist() == [1, 3, 0, 2, 1, 3, 0, 1, 3]
    assert packed.time.tolist() == [0, 0, 0, 0, 1, 1, 1, 2, 2]


@pytest.mark.parametrize("dropout", [False, True])
def test_packed_pass_is_the_slow_one(dropout: bool) -> None:
    model, features, scale = tiny_captioner(), randn(6, 3), randn(6, 4, seed=1)
    keep = (randn(6, 4, 4, seed=2) > 0).double() * 2 if dropout else None
    loss, logprob = model(features, begin_with_end(WORDS), WORDS, LENGTHS, scale, keep)
    slow = [
        slow_logprob(model, features[i], caption, None if keep is None else keep[i])
        for i, caption in enumerate(CAPTIONS)
    ]
    expected = -sum((scale[i, : len(row)] * row).sum() for i, row in enumerate(slow))
    torch.testing.assert_close(loss, expected)
    for i, row in enumerate(slow):
        torch.testing.assert_close(logprob[i, : len(row)], row.detach())
        assert not logprob[i, len(row) :].any()
    leaves = list(model.parameters())
    torch.testing.assert_close(torch.autograd.grad(loss, leaves), torch.autograd.grad(expected, leaves))


def test_row_order_and_padding_do_not_matter() -> None:
    model, features, scale = tiny_captioner(), randn(6, 3), randn(6, 4, seed=1)
    loss, logprob = model(features, begin_with_end(WORDS), WORDS, LENGTHS, scale)
    order = torch.tensor([4, 1, 5, 0, 3, 2])
    moved_loss, moved = model(features[order], begin_with_end(WORDS[order]), WORDS[order], LENGTHS[order], scale[order])
    torch.testing.assert_close(moved, logprob[order])
    torch.testing.assert_close(moved_loss, loss)
    wide, wide_scale = padded(CAPTIONS, 7), torch.cat([scale, randn(6, 3, seed=3)], 1)
    wide[0, 3:] = 4  # neither what is fed nor what is aimed at beyond the length counts
    wide_loss, wide_logprob = model(features, begin_with_end(wide), wide, LENGTHS, wide_scale)
    torch.testing.assert_close(wide_logprob[:, :4], logprob)
    torch.testing.assert_close(wide_loss, loss)


def test_captions_of_an_image_share_it() -> None:
    model, features, ones = tiny_captioner(), randn(2, 3), torch.ones(6, 4, dtype=torch.float64)
    grouped = model(features, begin_with_end(WORDS), WORDS, LENGTHS, ones)
    single = model(features.repeat_interleave(3, 0), begin_with_end(WORDS), WORDS, LENGTHS, ones)
    torch.testing.assert_close(grouped, single)


def test_captions_of_one_token_leave_the_recurrence_after_the_beginning_unused() -> None:
    model, features = tiny_captioner(), randn(3, 3)
    words, lengths = torch.zeros(6, 2, dtype=torch.long), torch.ones(6, dtype=torch.long)
    loss, logprob = model(features, words, words, lengths, torch.ones(6, 2, dtype=torch.float64))
    expected = torch.stack([slow_logprob(model, feature, [0])[0] for feature in features]).repeat_interleave(2)
    torch.testing.assert_close(logprob[:, 0], expected.detach())
    leaves = list(model.parameters())
    torch.testing.assert_close(torch.autograd.grad(loss, leaves), torch.autograd.grad(-expected.sum(), leaves))


def test_begin_of_one_unit_by_hand() -> None:
    model = FCCaptioner(1, 2, FCConfig(hidden=1, embedding=1))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.image.weight.fill_(2)
        model.image.bias.fill_(1)
        model.word.weight[0] = -2
        model.input_gates.weight.copy_(torch.tensor([[0.0], [0], [0], [1], [-1]]))  # candidates: x and -x
        model.input_gates.bias.copy_(torch.tensor([0, math.log(3), 0, 0, 0]))
        model.recurrent_gates.bias.copy_(torch.tensor([math.log(3), 0, 0, 0, 0]))
        model.recurrent_gates.weight.copy_(torch.tensor([[0.0], [0], [0], [4], [0]]))
    # gates: in sigmoid(log 3) = 3/4, forget 3/4, out 1/2
    # image 5: x = 2 * 5 + 1 = 11; c = 3/4 * max(11, -11) = 8.25; h = tanh(8.25) / 2
    # beginning: x = -2; candidates -2 + 4 h = about 0, and 2: c = 3/4 * 8.25 + 3/4 * 2 = 7.6875
    state = model.begin(torch.tensor([[5.0]]))
    assert state.c.item() == pytest.approx(7.6875)
    assert state.h.item() == pytest.approx(math.tanh(7.6875) / 2)
    # image -1: x = -1; c = 3/4 * max(-1, 1) = 0.75; h = tanh(0.75) / 2 = 0.31757; -2 + 4 h = -0.72972 loses to 2
    assert model.begin(torch.tensor([[-1.0]])).c.item() == pytest.approx(0.75 * 0.75 + 0.75 * 2)
    # with a recurrent weight of 16 it wins: -2 + 16 h = 3.08119
    with torch.no_grad():
        model.recurrent_gates.weight[3] = 16
    h = math.tanh(0.75) / 2
    assert model.begin(torch.tensor([[-1.0]])).c.item() == pytest.approx(0.75 * 0.75 + 0.75 * (16 * h - 2))


def test_stepping_gives_the_hidden_states_of_the_packed_pass() -> None:
    model, features = tiny_captioner(), randn(6, 3)
    packed = Packed(LENGTHS, 4)
    hidden = model.hidden_states(features, begin_with_end(WORDS), packed).detach()
    stepper = Stepper(model)
    with torch.no_grad():
        state = stepper.begin(features)
        for t in range(4):
            mine = packed.time == t
            torch.testing.assert_close(state.h[packed.row[mine]], hidden[mine])
            state = stepper.step(WORDS[:, t], state)


def test_a_trace_saves_the_logits_and_changes_nothing() -> None:
    model, features, trace = tiny_captioner(), randn(2, 3), Trace()
    keep = 2 * torch.randint(2, (6, 4, model.config.hidden), generator=torch.Generator().manual_seed(1)).double()
    uniform = torch.rand(6, 4, generator=torch.Generator().manual_seed(2)).double()
    words = sample(Stepper(model), features, uniform, keep, trace=trace)
    given = (features, begin_with_end(words), words, caption_lengths(words), randn(6, 4, seed=5), keep)
    assert sum(map(len, trace.logits)) == caption_lengths(words).sum() < 6 * 4  # living rows only
    loss, logprob = model(*given, trace)
    assert trace.logits == []
    expected_loss, expected_logprob = model(*given)
    torch.testing.assert_close((loss, logprob), (expected_loss, expected_logprob))
    leaves = list(model.parameters())
    torch.testing.assert_close(torch.autograd.grad(loss, leaves), torch.autograd.grad(expected_loss, leaves))


def test_layer_sizes_are_those_of_the_public_models() -> None:
    model = FCCaptioner(2048, 9488, FCConfig())
    count = sum(parameter.numel() for parameter in model.parameters())
    # image, words, two 512 -> 2560 maps with biases, output
    assert count == (2048 + 1) * 512 + 9488 * 512 + 2 * (512 + 1) * 2560 + (512 + 1) * 9488
