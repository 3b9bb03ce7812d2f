"""Cross-entropy training: its schedules, scheduled sampling, one step by hand, and whether it learns."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from toys import check_first_adam_step, randn, slow_logprob, tiny_captioner, toy_data, uniform

from probing_vlp.captioner.checkpoint import load_captioner
from probing_vlp.captioner.decode import begin_with_end, sample
from probing_vlp.captioner.fc import FCCaptioner, FCConfig
from probing_vlp.captioner.stepper import DecodeConfig, Stepper
from probing_vlp.data.batches import CaptionTable, ImageStream
from probing_vlp.data.visuals import open_visuals
from probing_vlp.training.randomness import dropout_rows, generator_for
from probing_vlp.training.supervised import CEConfig, feed_back, run

CPU = torch.device("cpu")


@pytest.fixture
def config(tmp_path: Path) -> CEConfig:
    """8 images, 4 a step with both of their captions: two steps an epoch."""
    return CEConfig(
        run=str(tmp_path / "run"),
        data=toy_data(tmp_path),
        min_count=0,
        max_words=6,
        batch_size=4,
        captions_per_image=2,
        captioner=FCConfig(hidden=16, embedding=8, dropout=0.2),
        clip=1.0,
        decoding=DecodeConfig(max_length=6),
        learning_rate=0.02,
        validate_every=1000,
    )


def log_of(config: CEConfig) -> list[dict]:
    return [json.loads(line) for line in (Path(config.run) / "log.jsonl").read_text().splitlines()]


def test_schedules_by_hand(config: CEConfig) -> None:
    run(
        replace(
            config,
            epochs=7,
            learning_rate=0.01,
            decay=0.5,
            decay_every=2,
            feedback_step=0.1,
            feedback_every=2,
            feedback_max=0.25,
        )
    )
    log = log_of(config)
    assert [row["step"] for row in log] == list(range(1, 15))
    by_epoch = log[::2]
    assert [row["epoch"] for row in by_epoch] == [0, 1, 2, 3, 4, 5, 6]
    assert [row["learning_rate"] for row in by_epoch] == [0.01, 0.01, 0.005, 0.005, 0.0025, 0.0025, 0.00125]
    assert [row["feedback"] for row in by_epoch] == [0, 0, 0.1, 0.1, 0.2, 0.2, 0.25]
    # both captions of four images: (2 + 1) + (4 + 1) tokens an image, their ends among them
    assert {row["tokens"] for row in log} == {32}


def test_schedules_of_the_paper() -> None:
    config = CEConfig()
    assert (config.learning_rate, config.decay, config.decay_every) == (5e-4, 0.8, 3)
    assert (config.feedback_step, config.feedback_every, config.epochs) == (0.05, 5, 30)


def test_the_first_step_by_hand(config: CEConfig) -> None:
    """The loss is the mean over tokens; each entry of its gradient is clipped."""
    config = replace(config, epochs=1, batch_size=8, learning_rate=0.001, clip=0.01)
    run(config)
    source = open_visuals(config.data)
    images = source.data.split("train")
    path = Path(config.run) / "checkpoints" / "last.safetensors"
    _, vocabulary, _ = load_captioner(path, source.store, CPU)
    torch.manual_seed(config.seed)
    model = FCCaptioner(4, len(vocabulary), config.captioner)
    rows = ImageStream(8, 8, config.seed).rows(1)
    table = CaptionTable([source.data.tokens[image.image_id] for image in images], vocabulary, 6)
    batch = table.pick(rows, 2, np.random.default_rng([config.seed, 1]))
    keep = dropout_rows(slice(None), 16, (7, 16), 0.2, generator_for(config.seed, 1, "dropout", CPU))
    features = torch.from_numpy(source.store.rows([images[row].image_id for row in rows])).repeat_interleave(2, 0)
    slow = [
        slow_logprob(model, feature, target[:length].tolist(), factors)
        for feature, target, length, factors in zip(features, batch.targets, batch.lengths, keep, strict=True)
    ]
    loss = -torch.cat(slow).mean()
    assert log_of(config)[0]["loss"] == pytest.approx(loss.item(), rel=1e-5)
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    check_first_adam_step(model, gradients, path, config.clip, config.learning_rate)


def test_it_learns_what_is_in_the_image(config: CEConfig) -> None:
    run(replace(config, epochs=40, captioner=FCConfig(hidden=64, embedding=64, dropout=0.1), decay=1, feedback_max=0))
    log = log_of(config)
    loss = [row["loss"] for row in log]
    assert len(loss) == 80
    # an image has two captions, 8 tokens: whoever knows the captions but does not look at the image has to guess which
    # caption and which of four things, (2 log 2 + 2 log 4) / 8 = 0.52; whoever looks, 2 log 2 / 8 = 0.17
    assert np.mean(loss[-5:]) < 0.3 < 1.2 < np.mean(loss[:5])
    assert log[-1]["val_cider"] > 4
    assert not any("val_cider" in row for row in log[:-1])


# ---- scheduled sampling

N, T = 400, 5


@pytest.fixture
def gold() -> tuple[Tensor, Tensor]:
    """Inputs (N, T) of words 1 and 2, and lengths 1..T."""
    words = torch.randint(1, 3, (N, T), generator=torch.Generator().manual_seed(0))
    return begin_with_end(words), torch.arange(N) % T + 1


def always(word: int) -> FCCaptioner:
    """A captioner that writes one word only."""
    model = tiny_captioner()
    with torch.no_grad():
        model.output.bias[word] = 1e4
    return model


def test_no_feedback_is_the_gold_caption(gold: tuple[Tensor, Tensor]) -> None:
    inputs, lengths = gold
    fed = feed_back(Stepper(always(3)), randn(N // 2, 3), inputs, lengths, 0, uniform(N, 2 * T), None)
    assert torch.equal(fed, inputs)


@pytest.mark.parametrize("probability", [0.05, 0.25, 1.0])
def test_words_are_replaced_with_the_given_probability(gold: tuple[Tensor, Tensor], probability: float) -> None:
    inputs, lengths = gold
    before, numbers = inputs.clone(), uniform(N, 2 * T)
    fed = feed_back(Stepper(always(3)), randn(N // 2, 3), inputs, lengths, probability, numbers, None)
    assert torch.equal(inputs, before)
    assert not fed[:, 0].any()  # the beginning stays
    counts = torch.arange(T) < lengths[:, None]
    assert torch.equal(fed[~counts], inputs[~counts])  # beyond the end nothing is asked
    may = counts & (torch.arange(T) > 0)
    assert torch.equal(fed == 3, may & (numbers[:, :T] < probability))
    assert torch.equal(fed[fed != 3], inputs[fed != 3])
    # 800 places: four standard deviations of the share that is replaced
    deviation = 4 * (probability * (1 - probability) / may.sum().item()) ** 0.5
    assert (fed == 3)[may].double().mean().item() == pytest.approx(probability, abs=deviation + 1e-9)


@pytest.mark.parametrize("dropout", [False, True])
def test_the_model_has_been_fed_its_own_words_before(dropout: bool) -> None:
    """With probability one, what is fed is a sampled caption: the same model, numbers and dropout write the same."""
    model, features, numbers = tiny_captioner(spread=2, seed=4), randn(N // 4, 3), uniform(N, 2 * T)
    with torch.no_grad():
        model.output.bias[0] = -1e4  # captions go on to the last place
    keep = (randn(N, T, 4, seed=2) > 0) * 2.0 if dropout else None
    inputs = begin_with_end(torch.ones(N, T, dtype=torch.long))
    fed = feed_back(Stepper(model), features, inputs, torch.full((N,), T), 1.0, numbers, keep)
    words = sample(Stepper(model), features, numbers[:, T + 1 :], keep)
    assert torch.equal(fed[:, 1:], words)
    assert len(set(map(tuple, words.tolist()))) > 20
