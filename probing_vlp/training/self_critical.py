"""`train.py scst`: self-critical training with matching scores as the reward, Ma et al. 2023 section 3.1.

    gradient = - mean over tokens of  advantage(caption) * grad log p(token)

The end of a caption is one of its tokens.  Captions are sampled with dropout on, and learned from under the very
same dropout factors, so that the policy that is trained is the one that wrote.  Advantages: `advantage.py`.

Logged each step: reward_mean; reward_spread (standard deviation within an image); beat_baseline (share of scored
samples with
an advantage above zero); length (words); entropy and kl (a token, in nats; both estimated on the samples themselves:
-log p, and log p - log p_CE on each image's first sample under the same dropout); unscored (captions without a score).

Deviations from Ma et al. 2023, which gives 20 epochs and no more: learning rate, batch and sample counts are those of
the public FC models; the loss is averaged over tokens as there, not summed over captions as in equation 2.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from probing_vlp.captioner.checkpoint import captioner_state, check_vocabulary, find_checkpoint, load_captioner
from probing_vlp.captioner.decode import begin_with_end, caption_lengths, greedy, sample
from probing_vlp.captioner.fc import FCCaptioner, Trace
from probing_vlp.captioner.stepper import DecodeConfig, Stepper
from probing_vlp.data.batches import ImageStream
from probing_vlp.data.visuals import DataConfig, VisualSource, open_visuals
from probing_vlp.data.vocabulary import END, Vocabulary
from probing_vlp.errors import check_least
from probing_vlp.records import Image
from probing_vlp.training.advantage import greedy_advantage, leave_one_out_advantage, spread_within_images
from probing_vlp.training.randomness import dropout_rows, generator_for, uniform_rows
from probing_vlp.training.rewards import Reward, check_scored, mean_or_none, mini_scorers
from probing_vlp.training.session import Precision, Session
from probing_vlp.training.supervised import train_to_end
from probing_vlp.training.validation import Validator


@dataclass
class SCSTConfig:
    """Self-critical training."""

    run: str = "runs/scst"
    """Run folder: config, log, TensorBoard events and checkpoints go here."""
    init: str = "runs/ce"
    """Where to start from: a CE run folder (its best checkpoint) or a checkpoint file."""
    resume: bool = False
    """Go on with the run from its last checkpoint."""
    data: DataConfig = field(default_factory=DataConfig)
    scorers: dict[str, float] = field(default_factory=dict)
    """Weight of each scorer in the reward, by its name or package.module:Class; none: mini-clip alone.
    `--scorers.cider 1` joins those of --config, `--scorers '{"cider": 1}'` takes their place."""
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Options of the scorers by name, as in {"clip": {"arch": "ViT-B-32", "pretrained": "openai"}}."""
    decoding: DecodeConfig = field(default_factory=DecodeConfig)
    baseline: Literal["greedy", "leave-one-out"] = "greedy"
    """What a sample is held against: the image's greedy caption (the paper's), or the mean of its other samples."""
    samples: int = 5
    """Captions sampled an image."""
    temperature: float = 1.0
    """Divides the logits of the policy, in sampling and in learning: below 1, samples are closer to the greedy
    caption."""
    dropout: bool = True
    """Sample and learn with the captioner's dropout on."""
    batch_size: int = 10
    """Images a step, over all processes."""
    epochs: int = 20
    """Passes over the train split."""
    steps: int = 0
    """Stop after this many steps; 0: after the epochs."""
    learning_rate: float = 5e-5
    """Adam's learning rate."""
    clip: float = 0.1
    """Each entry of the gradient is clipped to plus or minus this."""
    validate_every: int = 3000
    """Steps from one validation to the next."""
    patience: int = 0
    """Stop after this many validations without a better mean reward; 0: never."""
    save_every: int = 500
    """Steps from one checkpoint to the next."""
    seed: int = 1
    """Of the order of the images, the samples and the dropout."""
    precision: Precision | None = None
    """no (float32) or bf16: accelerate's mixed precision; default: what accelerate launch was told, else no."""

    def __post_init__(self) -> None:
        self.scorers = self.scorers or {"mini-clip": 1.0}
        check_least(self, 1, "batch_size", "epochs", "validate_every", "save_every")
        check_least(self, 2 if self.baseline == "leave-one-out" else 1, "samples")
        check_least(self, 0.01, "temperature")
        check_least(self, 0, "steps", "patience", "learning_rate", "clip", "seed")


def run(config: SCSTConfig) -> None:
    """Train towards the reward; the checkpoint of the best validation reward is kept."""
    source = open_visuals(config.data)
    assert source.store is not None
    train, val = source.data.split("train"), source.data.split("val")
    source.store.check(image.image_id for image in (*train, *val))
    start = find_checkpoint(config.init)
    session = Session(config.run, config, config.resume, config.seed, config.precision)
    session.check_batch(config.batch_size)
    model, vocabulary, _ = load_captioner(start, source.store, session.device)
    reference, _, _ = load_captioner(start, source.store, session.device)
    if session.folder.resumed:
        check_vocabulary(session.folder.checkpoint("last"), session.folder.resumed.state, vocabulary)
    reward = Reward(config.scorers, config.options, source, quiet=not session.main)
    for split, images in (("train", train), ("val", val)):
        reward.encode(split, images)
    session.prepare(
        model,
        config.learning_rate,
        {
            **captioner_state(model, vocabulary, source.store),
            "kind": "scst",
            "mini_scorers": mini_scorers(reward.scorers),
            "signature": signature(config, session.accelerator.mixed_precision),
        },
    )
    trainer = SelfCritical(config, session, source, train, vocabulary, reward, reference)
    validate = RewardValidator(reward, Validator(source, val, vocabulary, config.decoding))
    train_to_end(trainer, session, validate, config)


def signature(config: SCSTConfig, precision: str) -> dict[str, Any]:
    """The choices that a reward-trained captioner depends on, in one place: saved with it and shown in reports."""
    return {
        "reward": dict(config.scorers),
        "baseline": config.baseline,
        "samples": config.samples,
        "end": "part of the sequence",
        "loss": "mean over tokens",
        "dropout in sampling": config.dropout,
        "temperature": config.temperature,
        "precision": precision,
        "longest caption": config.decoding.max_length,
        "seed": config.seed,
    }


class SelfCritical:
    """One step of self-critical training.  B images of this process, N = B x samples captions, T words."""

    def __init__(
        self,
        config: SCSTConfig,
        session: Session,
        source: VisualSource,
        images: tuple[Image, ...],
        vocabulary: Vocabulary,
        reward: Reward,
        reference: FCCaptioner,
    ) -> None:
        self.config, self.session, self.source, self.images = config, session, source, images
        self.vocabulary, self.reward, self.reference = vocabulary, reward, reference
        self.stream = ImageStream(len(images), config.batch_size, config.seed)
        self.total_steps = config.steps or -(-config.epochs * len(images) // config.batch_size)

    def step(self, step: int) -> dict[str, Any]:
        """Train on the batch of `step` (from 1); returns its log line."""
        config, session = self.config, self.session
        model = session.raw_model
        assert isinstance(model, FCCaptioner) and self.source.store is not None
        mine = self.stream.rows(step)[session.rows(config.batch_size)]
        ids = [self.images[i].image_id for i in mine]
        features = torch.from_numpy(self.source.store.rows(ids)).to(session.device)
        keep, numbers = self._draws(model, step)
        stepper, trace = Stepper(model), Trace() if config.temperature == 1 else None
        words = sample(stepper, features, numbers, keep, DecodeConfig("sample", temperature=config.temperature), trace)
        rewards, raw = self._score(mine.repeat(config.samples).tolist(), words)
        check_scored(session.gather(rewards.to(session.device)), raw)
        table = rewards.reshape(len(mine), config.samples)
        if config.baseline == "greedy":
            held, _ = self._score(mine.tolist(), greedy(stepper, features, config.decoding.max_length))
            advantage = greedy_advantage(table, held)
        else:
            advantage = leave_one_out_advantage(table)
        logprob = self.learn(features, words, advantage.reshape(-1), keep, trace)
        return {
            "step": step,
            "epoch": self.stream.epoch(step),
            **self._line(features, words, table, advantage, raw, logprob, keep),
            "learning_rate": config.learning_rate,
        }

    def _draws(self, model: FCCaptioner, step: int) -> tuple[Tensor | None, Tensor]:
        """Dropout factors (N, T, H), or None, and uniform numbers (N, T) of this process's rows."""
        config, session, T = self.config, self.session, self.config.decoding.max_length
        total = config.batch_size * config.samples
        rows = session.rows(total)
        keep = dropout_rows(
            rows,
            total,
            (T, model.config.hidden),
            model.config.dropout if config.dropout else 0.0,
            generator_for(config.seed, step, "dropout", session.device),
        )
        return keep, uniform_rows(rows, total, T, generator_for(config.seed, step, "sample", session.device))

    def _score(self, rows: Sequence[int], words: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        captions, ended = to_text(words, self.vocabulary)
        return self.reward("train", rows, captions, ended)

    def learn(
        self, features: Tensor, words: Tensor, advantage: Tensor, keep: Tensor | None, trace: Trace | None = None
    ) -> Tensor:
        """One update on words drawn from `trace`; returns the log-probabilities (N, T) that it was made from."""
        lengths = caption_lengths(words)
        tokens = self.session.sum(float(lengths.sum()))
        scale = (advantage.to(features.device) / tokens)[:, None].expand(words.shape).to(features.dtype)
        loss, logprob = self.session.model(
            features, begin_with_end(words), words, lengths, scale, keep, trace, self.config.temperature
        )
        self.session.update(loss, self.config.clip, self.config.learning_rate)
        self.loss = self.session.sum(loss.item())
        return logprob

    def _line(
        self,
        features: Tensor,
        words: Tensor,
        table: Tensor,
        advantage: Tensor,
        raw: dict[str, Tensor],
        logprob: Tensor,
        keep: Tensor | None,
    ) -> dict[str, Any]:
        session, S = self.session, self.config.samples
        lengths = caption_lengths(words)
        first = slice(None, None, S)
        with torch.no_grad():
            _, expected = self.reference(
                features,
                begin_with_end(words[first]),
                words[first],
                lengths[first],
                torch.zeros_like(words[first], dtype=features.dtype),
                None if keep is None else keep[first],
                temperature=self.config.temperature,
            )
        sums = torch.stack([logprob.sum(1), lengths.float(), (words != END).long().cumprod(1).sum(1).float()], 1)
        kls = torch.stack([(logprob[first] - expected).sum(1), lengths[first].float()], 1)
        table, advantage = session.gather(table.to(session.device)), session.gather(advantage.to(session.device))
        sums, kls = session.gather(sums).double().sum(0), session.gather(kls).double().sum(0)
        raw = {name: session.gather(scores.to(session.device)) for name, scores in raw.items()}
        scored = ~torch.isnan(table)
        return {
            "loss": self.loss,
            "reward_mean": mean_or_none(table),
            "reward_spread": spread_within_images(table),
            "beat_baseline": float((advantage > 0).sum() / scored.sum()),
            "unscored": int((~scored).sum()),
            "length": float(sums[2] / table.numel()),
            "entropy": float(-sums[0] / sums[1]),
            "kl": float(kls[0] / kls[1]),
            **{f"score/{name}": mean_or_none(scores) for name, scores in raw.items()},
        }


def to_text(words: Tensor, vocabulary: Vocabulary) -> tuple[list[str], list[bool]]:
    """Captions of word ids (N, T), and whether each came to its end."""
    rows = words.tolist()
    return [" ".join(vocabulary.decode(row)) for row in rows], [END in row for row in rows]


class RewardValidator:
    """Mean reward and CIDEr-D of the captions of the validation split."""

    criterion = "val_reward"

    def __init__(self, reward: Reward, validator: Validator) -> None:
        self.reward, self.validator = reward, validator

    def __call__(self, session: Session) -> dict[str, Any]:
        rows, words = self.validator.words(session)
        captions, ended = to_text(words, self.validator.vocabulary)
        total, raw = self.reward("val", rows, captions, ended)
        check_scored(total, raw)
        return {
            "val_reward": mean_or_none(total),
            **{f"val_score/{name}": mean_or_none(s) for name, s in raw.items()},
            "val_cider": self.validator.cider(rows, words),
        }
