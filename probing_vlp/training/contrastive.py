"""Train a dual encoder, mini-clip or a small CLIP: image features and captions of one image together, those of other
images apart.

Symmetric InfoNCE (van den Oord et al. 2018; CLIP, Radford et al. 2021) with a learned temperature.  Two captions of the
same image in a batch are not negatives of each other.  After each epoch the validation split is retrieved from; the
best epoch is kept, and training stops once `patience` epochs brought nothing better.

Several processes share each batch and see all of it as negatives, so they train as one does (dropout masks apart).
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.distributed.nn.functional import all_gather
from torch.nn import functional

from probing_vlp import __version__
from probing_vlp.checkpoints import Checkpoint
from probing_vlp.data.batches import CaptionTable
from probing_vlp.data.captions import CaptionData
from probing_vlp.data.features import FeatureStore
from probing_vlp.data.visuals import DataConfig, open_visuals
from probing_vlp.data.vocabulary import Vocabulary, build_vocabulary
from probing_vlp.errors import UserError, check_least, check_most
from probing_vlp.records import Image
from probing_vlp.resuming import plain
from probing_vlp.scorers.mini_clip import MiniClip, Sizes, save_mini_clip
from probing_vlp.training.retrieval import CUTS, estimates, quality, retrieval, summary
from probing_vlp.training.session import Precision, Session


@dataclass
class ScorerConfig:
    """Options of `train.py scorer`."""

    run: str = "runs/mini-clip"
    """Run folder; the trained scorer is in its `scorer/`, for --options '{mini-clip: {checkpoint: RUN/scorer}}'."""
    data: DataConfig = field(default_factory=DataConfig)
    min_count: int = 5
    """Words seen more often than this in the training captions get a vector of their own."""
    max_words: int = 30
    """Longer training captions are cut."""
    word: int = 128
    """Width of a word vector."""
    hidden: int = 192
    """Width of the GRU."""
    joint: int = 256
    """Width of the space that images and captions share."""
    dropout: float = 0.5
    """Share of image features and of word vector entries that training leaves out."""
    batch_size: int = 256
    """Captions a step, over all processes."""
    epochs: int = 20
    """Passes over the training captions, at most."""
    patience: int = 5
    """Stop after so many epochs without a better validation retrieval."""
    learning_rate: float = 2e-3
    """Adam's learning rate."""
    seed: int = 0
    """Of the weights, the batches and dropout."""
    resume: bool = False
    """Go on with the run in this folder; the result is what an uninterrupted run gives."""
    precision: Precision | None = None
    """no (float32) or bf16: accelerate's mixed precision; default: what accelerate launch was told, else no."""
    export: str | None = None
    """Another folder for the trained scorer."""

    def __post_init__(self) -> None:
        check_least(self, 1, "batch_size", "epochs", "patience", "max_words", "word", "hidden", "joint")
        check_least(self, 0, "min_count", "learning_rate", "dropout", "seed")
        check_most(self, 0.99, "dropout")


class Pairs(NamedTuple):
    """The captions of a split: `tokens` (C, T) word ids padded with 0, and the image row that each belongs to."""

    images: tuple[Image, ...]
    tokens: np.ndarray
    owner: np.ndarray

    @classmethod
    def of(cls, data: CaptionData, split: str, vocabulary: Vocabulary, max_words: int) -> "Pairs":
        """All captions of the images of `split`."""
        images = data.split(split)
        table = CaptionTable([data.tokens[image.image_id] for image in images], vocabulary, max_words)
        return cls(images, table.targets[:, :-1], np.repeat(np.arange(len(images)), table.per_image))

    def batch(self, rows: np.ndarray, store: FeatureStore) -> tuple[Tensor, Tensor, Tensor]:
        """Features (B, D), tokens (B, longest) and image rows (B,) of captions `rows`."""
        tokens = self.tokens[rows]
        longest = int(tokens.any(axis=0).nonzero()[0].max(initial=0)) + 1
        features = store.rows([self.images[image].image_id for image in self.owner[rows]])
        return torch.from_numpy(features), torch.from_numpy(tokens[:, :longest]), torch.from_numpy(self.owner[rows])


class Views(NamedTuple):
    """Unit vectors of pairs: images (B, E), texts (B, E), and the image row (B,) of each."""

    images: Tensor
    texts: Tensor
    owner: Tensor


def info_nce(ours: Views, batch: Views, start: int, scale: Tensor) -> Tensor:
    """Mean cross-entropy of both directions, in nats: our pair i is pair start + i of the whole batch.

    The logits of two pairs of one image are left out: they are no negatives.
    """
    target = start + torch.arange(len(ours.owner), device=ours.owner.device)
    same = ours.owner[:, None] == batch.owner
    same[target - start, target] = False
    to_text, to_image = (
        functional.cross_entropy((scale * queries @ keys.T).masked_fill(same, -torch.inf), target)
        for queries, keys in ((ours.images, batch.texts), (ours.texts, batch.images))
    )
    return (to_text + to_image) / 2


class Task(NamedTuple):
    """A dual encoder to train, a module whose call gives image vectors, text vectors and scale; its pairs and features;
    `vocabulary` is the fingerprint of what its token ids mean; `save(folder, provenance)` writes the scorer."""

    name: str
    model: Any
    pairs: Mapping[str, Pairs]
    store: FeatureStore
    vocabulary: str
    save: Callable[[Path, Mapping[str, Any]], None]
    cuts: Sequence[int] = CUTS
    """Retrieval counts what is found among so many."""


def run(config: ScorerConfig) -> None:
    """Train mini-clip: keep the best epoch, report it on the test split, and save the scorer."""
    source = open_visuals(config.data)
    assert source.store is not None  # open_visuals asks for features
    train = [source.data.tokens[image.image_id] for image in source.data.split("train")]
    vocabulary = build_vocabulary((tokens for image in train for tokens in image), config.min_count)
    pairs = {split: Pairs.of(source.data, split, vocabulary, config.max_words) for split in source.data.splits}
    store = check_splits(source.data, source.store)
    sizes = Sizes(store.dim, len(vocabulary), config.word, config.hidden, config.joint)

    def task() -> Task:
        model = MiniClip(sizes, config.dropout)

        def save(folder: Path, provenance: Mapping[str, Any]) -> None:
            save_mini_clip(folder, model, vocabulary.words, store.backbone, provenance)

        return Task("mini-clip", model, pairs, store, vocabulary.fingerprint, save)

    train_task(config, task)


def check_splits(data: CaptionData, store: FeatureStore) -> FeatureStore:
    """The store; UserError where there is nothing to validate on, or an image has no features."""
    data.split("val")  # says which splits there are
    store.check(image.image_id for image in data.images)
    return store


def train_task(config: ScorerConfig, make: Callable[[], Task]) -> None:
    """Train what `make` makes once the seed is set."""
    session = Session(config.run, config, config.resume, config.seed, config.precision)
    trainer = Trainer(config, session, make())
    trainer.fit()
    if session.main:
        export(config, trainer)
    session.close()


class Trainer:
    """The epochs of a run."""

    def __init__(self, config: ScorerConfig, session: Session, task: Task) -> None:
        self.config, self.session, self.task = config, session, task
        self.pairs, self.store, self.model = task.pairs, task.store, task.model
        resumed = session.folder.resumed
        if resumed and resumed.state["vocabulary"] != task.vocabulary:
            raise UserError(
                f"{config.run}: was begun with another vocabulary ({resumed.state['vocabulary']}, now "
                f"{task.vocabulary}); give the same --data and --min_count, or another --run"
            )
        self.batch_size = min(config.batch_size, len(self.pairs["train"].owner))
        session.check_batch(self.batch_size)
        session.prepare(self.model, config.learning_rate, {"vocabulary": task.vocabulary})

    def fit(self) -> None:
        """Epochs until the last one, or until patience ends."""
        config, session = self.config, self.session
        per_epoch = len(self.pairs["train"].owner) // self.batch_size
        with session.progress(self.task.name) as progress:
            bar = progress.add_task("", total=config.epochs, completed=session.step // per_epoch, note="")
            while session.step < config.epochs * per_epoch and session.since_best < config.patience:
                self._epoch(session.step // per_epoch + 1)
                progress.update(bar, advance=1, note=f"best validation retrieval {session.best:.3f}")

    def _epoch(self, epoch: int) -> None:
        """One pass, its validation, its log line and its checkpoint: a resumed run goes on from the epoch's start."""
        session = self.session
        session.model.train()
        losses = [self._step(rows) for rows in self._batches(epoch)]
        found = self.retrieve("val")
        loss = session.sum(float(torch.stack(losses).mean())) / session.accelerator.num_processes
        session.folder.log(
            {
                "step": session.step,
                "epoch": epoch,
                "loss": loss,
                "val_quality": quality(found),
                "logit_scale": self.model.scale().item(),
                **{f"val_{name}": value for name, value in summary(found).items()},
            }
        )
        session.save(best=session.improved(quality(found)))

    def _batches(self, epoch: int) -> Iterator[np.ndarray]:
        """This process's captions of each step; the whole batch is the same however many processes there are."""
        order = np.random.default_rng([self.config.seed, epoch]).permutation(len(self.pairs["train"].owner))
        for start in range(0, len(order) - self.batch_size + 1, self.batch_size):
            yield order[start : start + self.batch_size][self.session.rows(self.batch_size)]

    def _step(self, rows: np.ndarray) -> Tensor:
        """One update; the loss of this process's share."""
        session = self.session
        session.step += 1
        # dropout follows from seed, step and process, so that no generator state need be saved
        torch.manual_seed((self.config.seed << 32) + (session.step << 8) + session.accelerator.process_index)
        features, tokens, owner = (x.to(session.device) for x in self.pairs["train"].batch(rows, self.store))
        images, texts, scale = session.model(features, tokens)
        ours = Views(images, texts, owner)
        loss = info_nce(ours, self._whole_batch(ours), session.rows(self.batch_size).start, scale)
        session.update(loss / session.accelerator.num_processes, math.inf, self.config.learning_rate)
        return loss.detach()

    def _whole_batch(self, ours: Views) -> Views:
        """The pairs of all processes, gradients flowing back to each."""
        if self.session.accelerator.num_processes == 1:
            return ours
        return Views(
            torch.cat(all_gather(ours.images)),
            torch.cat(all_gather(ours.texts)),
            self.session.accelerator.gather(ours.owner),
        )

    @torch.no_grad()
    def retrieve(self, split: str) -> dict[str, np.ndarray]:
        """Retrieval between all images and captions of a split (see retrieval.py)."""
        model, pairs = self.model.eval(), self.pairs[split]
        features = torch.from_numpy(self.store.rows([image.image_id for image in pairs.images]))
        images = model.image_vectors(features.to(self.session.device))
        tokens = torch.from_numpy(pairs.tokens).to(self.session.device)
        texts = torch.cat([model.text_vectors(part) for part in tokens.split(1024)])
        return retrieval((images @ texts.T).cpu().numpy(), pairs.owner, self.task.cuts)


def export(config: ScorerConfig, trainer: Trainer) -> None:
    """Save the best epoch as a scorer, with its retrieval on val and test, and print that."""
    best = Checkpoint.load(trainer.session.folder.checkpoint("best"))
    trainer.model.load_state_dict(best.group("model"))
    figures: dict[str, Any] = {}
    for split in sorted(trainer.pairs.keys() - {"train"}):
        found = trainer.retrieve(split)
        figures[split] = {
            "images": len(trainer.pairs[split].images),
            "captions": len(trainer.pairs[split].owner),
            **summary(found),
            "intervals": {name: [e.low, e.high] for name, e in estimates(found, config.seed).items()},
        }
    recipe = {key: value for key, value in plain(config).items() if key not in ("run", "export", "resume")}
    provenance = {
        "version": __version__,
        "train_images": len(trainer.pairs["train"].images),
        "step": best.state["step"],
        "config": recipe,
        "retrieval": figures,
    }
    for folder in filter(None, (f"{config.run}/scorer", config.export)):
        trainer.task.save(Path(folder), provenance)
        print(f"{folder}: the scorer of step {best.state['step']}")
    for split, row in figures.items():
        print(
            f"{split}, {row['images']} images: "
            + ", ".join(
                f"{name.replace('_', ' ')} {row[name]:.3f} [{low:.3f}, {high:.3f}]"
                for name, (low, high) in row["intervals"].items()
            )
        )
