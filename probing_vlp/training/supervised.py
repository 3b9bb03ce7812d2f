"""`train.py ce`: cross-entropy training of the captioner, Ma et al. 2023 section 3.3.1.

Adam at 5e-4, times 0.8 every three epochs; the probability of feeding back a sample of the model's own words grows
by 0.05 every five epochs (Bengio et al. 2015); validation every N steps, the checkpoint of the best CIDEr kept.

What the paper leaves out is taken from the public FC models: 10 images x 5 captions a step, gradients clipped to
[-0.1, 0.1], captions cut to 16 words, feedback probability at most 0.25.
Deviations: an epoch's last images share a step with the next epoch's first; validation ranks by CIDEr-D (no Java).
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from probing_vlp.captioner.checkpoint import captioner_state, check_features, check_vocabulary
from probing_vlp.captioner.decode import begin_with_end
from probing_vlp.captioner.fc import FCCaptioner, FCConfig
from probing_vlp.captioner.stepper import DecodeConfig, Stepper
from probing_vlp.data.batches import Batch, CaptionTable, ImageStream
from probing_vlp.data.visuals import DataConfig, VisualSource, open_visuals
from probing_vlp.data.vocabulary import Vocabulary, build_vocabulary
from probing_vlp.errors import check_least, check_most
from probing_vlp.records import Image
from probing_vlp.training.randomness import dropout_rows, generator_for, uniform_rows
from probing_vlp.training.session import Precision, Session
from probing_vlp.training.validation import Validator


@dataclass
class CEConfig:
    """Cross-entropy training."""

    run: str = "runs/ce"
    """Run folder: config, log, TensorBoard events and checkpoints go here."""
    resume: bool = False
    """Go on with the run from its last checkpoint."""
    data: DataConfig = field(default_factory=DataConfig)
    captioner: FCConfig = field(default_factory=FCConfig)
    decoding: DecodeConfig = field(default_factory=DecodeConfig)
    min_count: int = 5
    """The vocabulary holds the words seen more often than this in the captions of the train split."""
    max_words: int = 16
    """Longer captions are cut to this many words."""
    batch_size: int = 10
    """Images a step, over all processes."""
    captions_per_image: int = 5
    """Captions of each image in a step."""
    epochs: int = 30
    """Passes over the train split."""
    learning_rate: float = 5e-4
    """Adam's learning rate in the first epochs."""
    decay: float = 0.8
    """The learning rate is multiplied by this ..."""
    decay_every: int = 3
    """... every so many epochs."""
    feedback_step: float = 0.05
    """The probability of feeding back a word of the model's own grows by this ..."""
    feedback_every: int = 5
    """... every so many epochs, ..."""
    feedback_max: float = 0.25
    """... up to this."""
    clip: float = 0.1
    """Each entry of the gradient is clipped to plus or minus this."""
    validate_every: int = 3000
    """Steps from one validation to the next."""
    patience: int = 0
    """Stop after this many validations without a better CIDEr; 0: never."""
    save_every: int = 500
    """Steps from one checkpoint to the next."""
    seed: int = 1
    """Of the weights, the order of the images, dropout and feedback."""
    precision: Precision | None = None
    """no (float32) or bf16: accelerate's mixed precision; default: what accelerate launch was told, else no."""

    def __post_init__(self) -> None:
        check_least(
            self,
            1,
            "batch_size",
            "captions_per_image",
            "epochs",
            "max_words",
            "decay_every",
            "feedback_every",
            "validate_every",
            "save_every",
        )
        check_least(
            self, 0, "min_count", "patience", "learning_rate", "decay", "clip", "feedback_step", "feedback_max", "seed"
        )
        check_most(self, 1, "feedback_max")


def run(config: CEConfig) -> None:
    """Train, validate, keep the best."""
    source = open_visuals(config.data)
    assert source.store is not None
    train, val = source.data.split("train"), source.data.split("val")
    source.store.check(image.image_id for image in (*train, *val))
    vocabulary = build_vocabulary(
        (tokens for image in train for tokens in source.data.tokens[image.image_id]), config.min_count
    )
    session = Session(config.run, config, config.resume, config.seed, config.precision)
    session.check_batch(config.batch_size)
    if session.folder.resumed:
        path, state = session.folder.checkpoint("last"), session.folder.resumed.state
        check_features(path, state, source.store)
        check_vocabulary(path, state, vocabulary)
    torch.manual_seed(config.seed)
    model = FCCaptioner(source.store.dim, len(vocabulary), config.captioner)
    session.prepare(model, config.learning_rate, {**captioner_state(model, vocabulary, source.store), "kind": "ce"})
    trainer = Supervised(config, session, source, train, vocabulary)
    validate = Validator(source, val, vocabulary, config.decoding)
    train_to_end(trainer, session, validate, config)


class Supervised:
    """One step of cross-entropy training."""

    def __init__(
        self,
        config: CEConfig,
        session: Session,
        source: VisualSource,
        images: tuple[Image, ...],
        vocabulary: Vocabulary,
    ) -> None:
        self.config, self.session, self.source, self.images = config, session, source, images
        self.table = CaptionTable(
            [source.data.tokens[image.image_id] for image in images], vocabulary, config.max_words
        )
        self.stream = ImageStream(len(images), config.batch_size, config.seed)
        self.total_steps = -(-config.epochs * len(images) // config.batch_size)

    def step(self, step: int) -> dict[str, Any]:
        """Train on the batch of `step` (from 1); returns its log line."""
        config, session, epoch = self.config, self.session, self.stream.epoch(step)
        learning_rate = config.learning_rate * config.decay ** (epoch // config.decay_every)
        feedback = min(config.feedback_step * (epoch // config.feedback_every), config.feedback_max)
        images = self.stream.rows(step)
        whole = self.table.pick(images, config.captions_per_image, np.random.default_rng([config.seed, step]))
        rows = session.rows(len(whole.targets))
        batch = Batch(images[session.rows(len(images))], whole.targets[rows], whole.lengths[rows])
        tokens = int(whole.lengths.sum())
        loss = self._loss(batch, rows, len(whole.targets), tokens, feedback, step)
        session.update(loss, config.clip, learning_rate)
        return {
            "step": step,
            "epoch": epoch,
            "loss": session.sum(loss.item()),
            "tokens": tokens,
            "learning_rate": learning_rate,
            "feedback": feedback,
        }

    def _loss(self, batch: Batch, rows: slice, total: int, tokens: int, feedback: float, step: int) -> Tensor:
        """This process's share of the mean negative log-likelihood a token, in nats."""
        model, device, seed = self.session.raw_model, self.session.device, self.config.seed
        assert isinstance(model, FCCaptioner) and self.source.store is not None
        features = torch.from_numpy(self.source.store.rows([self.images[i].image_id for i in batch.images])).to(device)
        targets, lengths = (torch.from_numpy(x).to(device) for x in (batch.targets, batch.lengths))
        keep = dropout_rows(
            rows,
            total,
            (targets.shape[1], model.config.hidden),
            model.config.dropout,
            generator_for(seed, step, "dropout", device),
        )
        inputs = begin_with_end(targets)
        if feedback:
            numbers = uniform_rows(rows, total, 2 * targets.shape[1], generator_for(seed, step, "feedback", device))
            inputs = feed_back(Stepper(model), features, inputs, lengths, feedback, numbers, keep)
        loss, _ = self.session.model(
            features, inputs, targets, lengths, torch.full_like(targets, 1, dtype=features.dtype) / tokens, keep
        )
        return loss


@torch.no_grad()
def feed_back(
    stepper: Stepper,
    features: Tensor,
    inputs: Tensor,
    lengths: Tensor,
    probability: float,
    numbers: Tensor,
    keep: Tensor | None,
) -> Tensor:
    """Scheduled sampling: inputs (N, T) with some words replaced by samples of the model's own posterior.

    A word after the first is replaced with `probability`; numbers (N, 2T) in [0, 1): a coin and a draw for each
    place.  The
    model that is asked has been fed the replacements before it, with the dropout factors `keep` of the step.
    """
    N, T = inputs.shape
    inputs, rows = inputs.clone(), torch.arange(N, device=inputs.device)
    state = stepper.begin(features).pick(rows // (N // len(features)))
    for t in range(1, T):
        going = (lengths[rows] > t).nonzero()[:, 0]
        if not len(going):
            break
        rows, state = rows[going], state.pick(going)
        chosen = (numbers[rows, t] < probability).nonzero()[:, 0]
        if len(chosen):
            where = rows[chosen]
            hidden = state.h[chosen] if keep is None else state.h[chosen] * keep[where, t - 1]
            inputs[where, t] = stepper.draw(hidden, numbers[where, T + t], DecodeConfig("sample"))
        state = stepper.step(inputs[rows, t], state)
    return inputs


def train_to_end(trainer: Any, session: Session, validate: Any, config: Any) -> None:
    """Steps, validations and checkpoints until the last step or until patience runs out."""
    with session.progress(session.folder.path.name) as bar:
        task = bar.add_task("", total=trainer.total_steps, completed=session.step, note="")
        stopped = bool(config.patience) and session.since_best >= config.patience
        while session.step < trainer.total_steps and not stopped:
            line = trainer.step(session.step + 1)
            session.step += 1
            last = session.step == trainer.total_steps
            best = False
            if session.step % config.validate_every == 0 or last:
                line.update(validate(session))
                best = session.improved(line[validate.criterion])
                stopped = bool(config.patience) and session.since_best >= config.patience
            session.folder.log(line)
            if (
                best
                or last
                or stopped
                or session.step % config.save_every == 0
                or session.step % config.validate_every == 0
            ):
                session.save(best)
            bar.update(task, advance=1, note=note(line, session.best))
    session.close()


def note(line: dict[str, Any], best: float) -> str:
    """A few numbers for the progress bar."""
    shown = [f"{key} {line[key]:.4g}" for key in ("loss", "reward_mean", "length", "kl") if line.get(key) is not None]
    return "  ".join([*shown, f"best {best:.4g}"] if np.isfinite(best) else shown)
