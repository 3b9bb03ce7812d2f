"""Self-critical training: every number of a step recomputed, rewards, and whether it learns."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from toys import ImageNumber, check_first_adam_step, slow_logprob, toy_data

from probing_vlp.captioner.checkpoint import load_captioner
from probing_vlp.captioner.decode import greedy, sample
from probing_vlp.captioner.fc import FCCaptioner, FCConfig
from probing_vlp.captioner.stepper import DecodeConfig, Stepper
from probing_vlp.data.batches import ImageStream
from probing_vlp.data.visuals import DataConfig, VisualSource, open_visuals
from probing_vlp.data.vocabulary import Vocabulary
from probing_vlp.errors import UserError
from probing_vlp.training import supervised
from probing_vlp.training.randomness import dropout_rows, generator_for, uniform_rows
from probing_vlp.training.rewards import Reward, encode_images
from probing_vlp.training.self_critical import SCSTConfig, run, signature, to_text

COUNTS, FUSSY, NUMBER = "toys:Counts", "toys:Fussy", "toys:ImageNumber"
LOGGED = {
    "step",
    "epoch",
    "loss",
    "reward_mean",
    "reward_spread",
    "beat_baseline",
    "unscored",
    "length",
    "entropy",
    "kl",
    "learning_rate",
}
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> tuple[DataConfig, str]:
    """The toy data and a captioner trained on it for ten steps: it still writes all sorts of captions."""
    folder = tmp_path_factory.mktemp("start")
    data = toy_data(folder)
    supervised.run(
        supervised.CEConfig(
            run=str(folder / "ce"),
            data=data,
            min_count=0,
            max_words=6,
            batch_size=4,
            captions_per_image=2,
            epochs=5,
            captioner=FCConfig(hidden=16, embedding=8, dropout=0.2),
            decoding=DecodeConfig(max_length=6),
            learning_rate=0.02,
            clip=1.0,
        )
    )
    return data, str(folder / "ce")


@pytest.fixture
def config(start: tuple[DataConfig, str], tmp_path: Path) -> SCSTConfig:
    data, init = start
    return SCSTConfig(
        run=str(tmp_path / "run"),
        init=init,
        data=data,
        scorers={COUNTS: 1.0},
        batch_size=4,
        samples=5,
        decoding=DecodeConfig(max_length=6),
        learning_rate=0.02,
        clip=1.0,
        validate_every=1000,
    )


def log_of(config: SCSTConfig) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (Path(config.run) / "log.jsonl").read_text().splitlines()]


class Recomputed:
    """The first step of a run, from its configuration and the checkpoint that it started from."""

    def __init__(self, config: SCSTConfig) -> None:
        self.source: VisualSource = open_visuals(config.data)
        path = Path(config.init) / "checkpoints" / "best.safetensors"
        self.model, self.vocabulary, _ = load_captioner(path, self.source.store, CPU)
        N, T, p = 4 * config.samples, config.decoding.max_length, self.model.config.dropout if config.dropout else 0
        self.keep = dropout_rows(slice(None), N, (T, 16), p, generator_for(config.seed, 1, "dropout", CPU))
        numbers = uniform_rows(slice(None), N, T, generator_for(config.seed, 1, "sample", CPU))
        images = self.source.data.split("train")
        rows = ImageStream(len(images), 4, config.seed).rows(1)
        self.numbers = [images[row].image_id for row in rows]
        self.features = torch.from_numpy(self.source.store.rows(self.numbers))
        stepper = Stepper(self.model)
        self.temperature = config.temperature
        how = DecodeConfig("sample", temperature=config.temperature)
        self.captions = [
            row[: row.index(0) + 1] if 0 in row else row
            for row in sample(stepper, self.features, numbers, self.keep, how).tolist()
        ]
        self.baselines = [
            row[: row.index(0)] if 0 in row else row for row in greedy(stepper, self.features, T).tolist()
        ]

    def count(self, caption: list[int], word: str) -> int:
        return caption.count(self.vocabulary.encode([word])[0])

    def logprob(self, model: FCCaptioner, i: int) -> Tensor:
        """Of the tokens of caption i."""
        return slow_logprob(
            model,
            self.features[i // 5],
            self.captions[i],
            None if self.keep is None else self.keep[i],
            self.temperature,
        )


def by_image(values: list[float]) -> list[list[float]]:
    return [values[i : i + 5] for i in range(0, len(values), 5)]


@pytest.mark.parametrize(("dropout", "temperature"), [(True, 1.0), (False, 1.0), (True, 0.5)])
def test_every_number_of_the_first_step(config: SCSTConfig, dropout: bool, temperature: float) -> None:
    config = replace(config, steps=1, dropout=dropout, temperature=temperature, scorers={COUNTS: 1.0, NUMBER: 0.5})
    run(config)
    line, step = log_of(config)[0], Recomputed(config)
    counts = [step.count(caption, "a") for caption in step.captions]
    rewards = [count + 0.5 * step.numbers[i // 5] for i, count in enumerate(counts)]
    held = [
        step.count(caption, "a") + 0.5 * number for caption, number in zip(step.baselines, step.numbers, strict=True)
    ]
    advantage = [reward - held[i // 5] for i, reward in enumerate(rewards)]
    logprob = [step.logprob(step.model, i).detach() for i in range(20)]
    tokens = sum(map(len, step.captions))
    assert len(set(counts)) > 1 and len(set(map(len, step.captions))) > 1
    assert set(line) == {
        *LOGGED,
        "val_reward",
        "val_cider",
        *(f"{s}/{n}" for s in ("score", "val_score") for n in (COUNTS, NUMBER)),
    }
    assert (line["step"], line["epoch"], line["learning_rate"], line["unscored"]) == (1, 0, 0.02, 0)
    assert line["reward_mean"] == pytest.approx(sum(rewards) / 20)
    assert line[f"score/{COUNTS}"] == pytest.approx(sum(counts) / 20)
    assert line[f"score/{NUMBER}"] == pytest.approx(sum(step.numbers) / 4)
    spreads = [torch.tensor(group).std(correction=0).item() for group in by_image(rewards)]
    assert line["reward_spread"] == pytest.approx(sum(spreads) / 4)
    assert line["beat_baseline"] == pytest.approx(sum(a > 0 for a in advantage) / 20)
    assert line["length"] == pytest.approx(sum(len(caption) - (caption[-1] == 0) for caption in step.captions) / 20)
    assert line["entropy"] == pytest.approx(-sum(row.sum().item() for row in logprob) / tokens, rel=1e-5)
    assert line["kl"] == pytest.approx(0, abs=1e-6)
    loss = -sum(a * row.sum().item() for a, row in zip(advantage, logprob, strict=True)) / tokens
    assert line["loss"] == pytest.approx(loss, rel=1e-4)
    assert line[f"val_score/{NUMBER}"] == (8 + 9 + 10 + 11) / 4
    assert line["val_reward"] == pytest.approx(line[f"val_score/{COUNTS}"] + 0.5 * 9.5)


@pytest.mark.parametrize(("baseline", "temperature"), [("greedy", 1.0), ("leave-one-out", 1.0), ("leave-one-out", 0.5)])
def test_the_first_update_by_hand(config: SCSTConfig, baseline: Any, temperature: float) -> None:
    """Of minus the mean over tokens of advantage * log p, each entry of its gradient clipped."""
    config = replace(config, steps=1, baseline=baseline, temperature=temperature, clip=0.01, learning_rate=0.001)
    run(config)
    step = Recomputed(config)
    rewards = [float(step.count(caption, "a")) for caption in step.captions]
    if baseline == "greedy":
        held = [float(step.count(caption, "a")) for caption in step.baselines for _ in range(5)]
    else:
        held = [(sum(group) - reward) / 4 for group in by_image(rewards) for reward in group]
    advantage = torch.tensor(rewards) - torch.tensor(held)
    logprob = torch.stack([step.logprob(step.model, i).sum() for i in range(20)])
    loss = -(advantage * logprob).sum() / sum(map(len, step.captions))
    gradients = torch.autograd.grad(loss, list(step.model.parameters()))
    path = Path(config.run) / "checkpoints" / "last.safetensors"
    check_first_adam_step(step.model, gradients, path, config.clip, config.learning_rate)


def test_kl_is_measured_against_the_captioner_it_started_from(config: SCSTConfig) -> None:
    run(replace(config, steps=6, epochs=1))
    kl = [row["kl"] for row in log_of(config)]
    assert kl[0] == pytest.approx(0, abs=1e-6)
    assert kl[-1] > 0.01


@pytest.mark.parametrize("baseline", ["greedy", "leave-one-out"])
def test_it_learns_to_please_the_scorer(config: SCSTConfig, baseline: Any) -> None:
    run(replace(config, steps=40, baseline=baseline))
    rewards = [row["reward_mean"] for row in log_of(config)]
    assert len(rewards) == 40
    early, late = sum(rewards[:5]) / 5, sum(rewards[-5:]) / 5
    assert late > early + 2 and late > 4  # six times "a" is the best there is


def test_the_end_is_learned_too(config: SCSTConfig) -> None:
    """A reward for nothing but staying short can only come about through the probability of the end."""
    run(replace(config, steps=40, scorers={"toys:Length": -1.0}))
    lengths = [row["length"] for row in log_of(config)]
    assert sum(lengths[-5:]) / 5 < 0.5 < 1 < sum(lengths[:5]) / 5


def test_captions_without_a_score_are_counted_and_left_out(config: SCSTConfig) -> None:
    config = replace(config, steps=1, scorers={FUSSY: 1.0}, baseline="leave-one-out")
    run(config)
    line, step = log_of(config)[0], Recomputed(config)
    counts = by_image([step.count(caption, "a") for caption in step.captions])
    scored = [[count for count in group if count < 2] for group in counts]  # Fussy cannot score two
    rewards = [count for group in scored for count in group]
    assert 0 < line["unscored"] == 20 - len(rewards) < 20
    assert line["reward_mean"] == pytest.approx(sum(rewards) / len(rewards))
    # of rewards 0 and 1, a 1 beats the mean of the other scored ones if one of them is 0
    beat = sum(group.count(1) for group in scored if 0 in group)
    assert line["beat_baseline"] == pytest.approx(beat / len(rewards))


def test_nothing_scored_is_an_error(config: SCSTConfig) -> None:
    with pytest.raises(UserError, match="toys:Fussy gave NaN for all 20 captions of the batch"):
        run(replace(config, steps=2, scorers={FUSSY: 1.0}, options={FUSSY: {"limit": 0}}))
    assert not (Path(config.run) / "checkpoints").exists()


# ---- rewards


def reward_of(
    data: DataConfig, weights: dict[str, float], captions: list[str], rows: list[int], **options: dict[str, Any]
) -> tuple[list[float], dict[str, Tensor]]:
    source = open_visuals(data)
    reward = Reward(weights, options, source, quiet=True)
    reward.encode("train", source.data.split("train"))
    total, raw = reward("train", rows, captions, [True] * len(captions))
    return total.tolist(), raw


def test_weighted_sum_by_hand(start: tuple[DataConfig, str]) -> None:
    captions = ["a dog", "a dog a cat", "dog dog"]
    total, raw = reward_of(start[0], {COUNTS: 0.5, NUMBER: -2}, captions, [3, 0, 3])
    # half the times "a" stands there, minus twice the number of the image
    assert total == [0.5 * 1 - 6, 0.5 * 2 - 0, 0 - 6]
    assert {name: scores.tolist() for name, scores in raw.items()} == {COUNTS: [1, 2, 0], NUMBER: [3, 0, 3]}
    total, _ = reward_of(start[0], {COUNTS: 1}, captions, [3, 0, 3], **{COUNTS: {"word": "dog"}})
    assert total == [1, 1, 2]


def test_a_scorer_of_weight_zero_is_logged_and_nothing_else(start: tuple[DataConfig, str]) -> None:
    captions = ["a dog", "a a dog"]
    total, raw = reward_of(start[0], {COUNTS: 1, FUSSY: 0}, captions, [0, 1])
    assert total == [1, 2] and math.isnan(raw[FUSSY][1])
    total, _ = reward_of(start[0], {COUNTS: 1, FUSSY: 0.1}, captions, [0, 1])
    assert total[0] == pytest.approx(1.1) and math.isnan(total[1])


def test_weight_zero_in_a_run(config: SCSTConfig) -> None:
    run(replace(config, steps=1, scorers={COUNTS: 1.0, FUSSY: 0.0}))
    run(without := replace(config, steps=1, run=config.run + "-without"))
    line, alone = log_of(config)[0], log_of(without)[0]
    assert line.pop(f"score/{FUSSY}") <= 1 and f"val_score/{FUSSY}" in line
    del line[f"val_score/{FUSSY}"]
    assert line == alone


@pytest.mark.parametrize("weights", [{}, {COUNTS: 0.0}])
def test_no_reward_is_an_error(start: tuple[DataConfig, str], weights: dict[str, float]) -> None:
    with pytest.raises(UserError, match="at least one scorer a weight other than 0"):
        Reward(weights, {}, open_visuals(start[0]))


def test_images_encoded_in_parts_are_seen_as_one(
    start: tuple[DataConfig, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = open_visuals(start[0])
    monkeypatch.setattr("probing_vlp.training.rewards.ENCODE_BATCH", 3)

    class Plain(ImageNumber):
        visual = "features"

    encoded = encode_images(Plain(), source.data.images, source, quiet=True)
    assert len(encoded) == 16
    assert encoded.select([15, 0, 7, 7]).tensor.tolist() == [15, 0, 7, 7]


def test_text_of_words() -> None:
    assert to_text(torch.tensor([[1, 2, 0, 0], [2, 2, 3, 1], [0, 0, 0, 0]]), Vocabulary(("a", "dog"))) == (
        ["a dog", "dog dog <unk> a", ""],
        [True, False, True],
    )


def test_what_a_captioner_was_trained_for_is_saved_with_it(config: SCSTConfig) -> None:
    config = replace(config, steps=1, baseline="leave-one-out")
    run(config)
    _, _, checkpoint = load_captioner(
        Path(config.run) / "checkpoints" / "best.safetensors", open_visuals(config.data).store, CPU
    )
    assert checkpoint.state["signature"] == signature(config, "no")
    assert checkpoint.state["signature"]["reward"] == {COUNTS: 1.0}
    assert checkpoint.state["signature"]["baseline"] == "leave-one-out"
