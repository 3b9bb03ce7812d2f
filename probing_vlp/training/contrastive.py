"""Train the mini-clip scorer: image features and captions of one image together, those of other images apart.

Symmetric InfoNCE (van den Oord et al. 2018; CLIP, Radford et al. 2021) with a learned temperature.  Two captions of the
same image in a batch are not negatives of each other.  After each epoch the validation split is retrieved from; the
best epoch is kept, and training stops once `patience` epochs brought nothing better.

Several processes share each batch and see all of it as negatives, so they train as one does (dropout masks apart).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from accelerate import Accelerator
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor
from torch.distributed.nn.functional import all_gather
from torch.nn import functional

from probing_vlp import __version__
from probing_vlp.data.batches import CaptionTable
from probing_vlp.data.features import FeatureStore
from probing_vlp.data.splits import CaptionData
from probing_vlp.data.visuals import DataConfig, open_visuals
from probing_vlp.data.vocabulary import Vocabulary, build_vocabulary
from probing_vlp.errors import UserError
from probing_vlp.records import Image
from probing_vlp.scorers.mini_clip import MiniClip, Sizes, save_mini_clip
from probing_vlp.training.retrieval import estimates, quality, retrieval, summary
from probing_vlp.training.run import Checkpoint, RunFolder, plain


@dataclass
class ScorerConfig:
    """Options of `train.py scorer`."""

    run: Path = Path("runs/mini-clip")
    """Run folder; the trained scorer is in its `scorer/`, for --scorer mini-clip --checkpoint RUN/scorer."""
    data: DataConfig = field(default_factory=DataConfig)
    min_count: int = 2
    """Words seen more often than this in the training captions get a vector of their own."""
    max_words: int = 30
    """Longer training captions are cut."""
    word: int = 192
    """Width of a word vector."""
    hidden: int = 256
    """Width of the GRU."""
    joint: int = 256
    """Width of the space that images and captions share."""
    dropout: float = 0.3
    """Share of image features and of word vector entries that training leaves out."""
    batch_size: int = 128
    """Captions a step, over all processes."""
    epochs: int = 40
    """Passes over the training captions, at most."""
    patience: int = 6
    """Stop after so many epochs without a better validation retrieval."""
    lr: float = 1e-3
    """Adam's learning rate."""
    weight_decay: float = 0.1
    """Decoupled weight decay."""
    seed: int = 0
    resume: bool = False
    """Go on with the run in this folder; the result is what an uninterrupted run gives."""
    precision: str = "no"
    """Accelerate's mixed precision: no (float32), bf16 or fp16."""
    export: Path | None = None
    """Another folder for the trained scorer."""


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
        longest = max(int((tokens > 0).sum(axis=1).max()), 1)
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
    loss = torch.zeros((), device=target.device)
    for queries, keys in ((ours.images, batch.texts), (ours.texts, batch.images)):
        loss = loss + functional.cross_entropy((scale * queries @ keys.T).masked_fill(same, -torch.inf), target) / 2
    return loss


def run(config: ScorerConfig) -> None:
    """Train, keep the best epoch, report it on the test split, and save the scorer."""
    accelerator = Accelerator(mixed_precision=config.precision)
    source = open_visuals(config.data)
    assert source.store is not None  # open_visuals asks for features
    train = [source.data.tokens[image.image_id] for image in source.data.split("train")]
    vocabulary = build_vocabulary((tokens for image in train for tokens in image), config.min_count)
    torch.manual_seed(config.seed)
    trainer = Trainer(config, accelerator, source.data, source.store, vocabulary)
    trainer.fit()
    if accelerator.is_main_process:
        export(config, trainer)


class Trainer:
    """The model, its optimiser and the state of a run."""

    def __init__(self, config: ScorerConfig, accelerator: Accelerator, data: CaptionData, store: FeatureStore,
                 vocabulary: Vocabulary) -> None:
        self.config, self.accelerator, self.store, self.vocabulary = config, accelerator, store, vocabulary
        self.pairs = {split: Pairs.of(data, split, vocabulary, config.max_words) for split in data.splits}
        self.folder = RunFolder(config.run, config, config.resume, accelerator.is_main_process)
        model = MiniClip(Sizes(store.dim, len(vocabulary), config.word, config.hidden, config.joint), config.dropout)
        optimizer = torch.optim.AdamW(model.parameters(), config.lr, weight_decay=config.weight_decay)
        self.state: dict[str, Any] = {"step": 0, "epoch": 0, "best": -1.0, "best_epoch": 0,
                                      "vocabulary": vocabulary.fingerprint}
        if self.folder.resumed is not None:
            self._restore(self.folder.resumed, model, optimizer)
        self.model, self.optimizer = accelerator.prepare(model, optimizer)

    @property
    def plain_model(self) -> MiniClip:
        """The model itself, without what accelerate puts around it."""
        model: MiniClip = self.accelerator.unwrap_model(self.model)
        return model

    def fit(self) -> None:
        """Epochs until the last one, or until patience ends."""
        config, state = self.config, self.state
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, disable=not self.accelerator.is_main_process) as progress:
            bar = progress.add_task("mini-clip", total=config.epochs, completed=state["epoch"])
            while state["epoch"] < config.epochs and state["epoch"] - state["best_epoch"] < config.patience:
                quality_now = self._epoch(state["epoch"] + 1)
                progress.update(bar, advance=1, description=f"mini-clip: validation retrieval {quality_now:.3f}, "
                                                            f"best {state['best']:.3f}")
        self.folder.close()

    def _epoch(self, epoch: int) -> float:
        """One pass, its validation, its log line and its checkpoint: all that a resumed run needs to go on."""
        # dropout masks follow from the seed and the epoch, so that no generator state need be saved
        torch.manual_seed((self.config.seed << 20) + (epoch << 8) + self.accelerator.process_index)
        self.model.train()
        losses = torch.stack([self._step(rows) for rows in self._batches(epoch)])
        found = self.retrieve("val")
        better = quality(found) > self.state["best"]
        self.state |= {"epoch": epoch, "step": self.state["step"] + len(losses)}
        if better:
            self.state |= {"best": quality(found), "best_epoch": epoch}
        mean_loss = self.accelerator.reduce(losses.mean(), "mean").item()
        self.folder.log({"step": self.state["step"], "epoch": epoch, "loss": mean_loss,
                         "logit_scale": self.plain_model.log_scale.exp().item(), "val_quality": quality(found),
                         **{f"val_{name}": value for name, value in summary(found).items()}})
        tensors = Checkpoint.flatten(model=self.plain_model.state_dict(), optimizer=optimizer_tensors(self.optimizer))
        for name in ("best", "last") if better else ("last",):
            self.folder.save(name, Checkpoint(tensors, self.state))
        return quality(found)

    def _batches(self, epoch: int) -> Iterator[np.ndarray]:
        """This process's captions of each step; the whole batch is the same however many processes there are."""
        captions, processes = len(self.pairs["train"].owner), self.accelerator.num_processes
        size = min(self.config.batch_size, captions)
        if size % processes:
            raise UserError(f"a batch of {size} captions cannot be shared by {processes} processes; change --batch_size")
        order = np.random.default_rng([self.config.seed, epoch]).permutation(captions)
        for start in range(0, captions - size + 1, size):
            yield order[start:start + size].reshape(processes, -1)[self.accelerator.process_index]

    def _step(self, rows: np.ndarray) -> Tensor:
        """One update; the loss of this process's share."""
        features, tokens, owner = (x.to(self.accelerator.device) for x in self.pairs["train"].batch(rows, self.store))
        with self.accelerator.autocast():
            images, texts, scale = self.model(features, tokens)
        ours = Views(images, texts, owner)
        loss = info_nce(ours, self._whole_batch(ours), len(rows) * self.accelerator.process_index, scale)
        self.optimizer.zero_grad()
        self.accelerator.backward(loss)
        self.optimizer.step()
        return loss.detach()

    def _whole_batch(self, ours: Views) -> Views:
        """The pairs of all processes, gradients flowing back to each."""
        if self.accelerator.num_processes == 1:
            return ours
        return Views(torch.cat(all_gather(ours.images)), torch.cat(all_gather(ours.texts)),
                     self.accelerator.gather(ours.owner))

    @torch.no_grad()
    def retrieve(self, split: str) -> dict[str, np.ndarray]:
        """Retrieval between all images and captions of a split (see retrieval.py)."""
        model, pairs = self.plain_model.eval(), self.pairs[split]
        features = torch.from_numpy(self.store.rows([image.image_id for image in pairs.images]))
        images = model.image_vectors(features.to(self.accelerator.device))
        tokens = torch.from_numpy(pairs.tokens).to(self.accelerator.device)
        texts = torch.cat([model.text_vectors(part) for part in tokens.split(1024)])
        return retrieval((images @ texts.T).cpu().numpy(), pairs.owner)

    def _restore(self, saved: Checkpoint, model: MiniClip, optimizer: torch.optim.Optimizer) -> None:
        if saved.state["vocabulary"] != self.vocabulary.fingerprint:
            raise UserError(f"{self.folder.path}: was begun with another vocabulary ({saved.state['vocabulary']}, now "
                            f"{self.vocabulary.fingerprint}); give the same --data and --min_count, or another --run")
        self.state = dict(saved.state)
        model.load_state_dict(saved.group("model"))
        load_optimizer(optimizer, saved.group("optimizer"))


def export(config: ScorerConfig, trainer: Trainer) -> None:
    """Save the best epoch as a scorer, with its test retrieval, and print that."""
    best = Checkpoint.load(trainer.folder.checkpoint("best"))
    trainer.plain_model.load_state_dict(best.group("model"))
    figures: dict[str, Any] = {}
    for split in [name for name in ("val", "test") if name in trainer.pairs]:
        found = trainer.retrieve(split)
        figures[split] = {"images": len(trainer.pairs[split].images), "captions": len(trainer.pairs[split].owner),
                          **summary(found), "intervals": {name: [e.low, e.high] for name, e
                                                          in estimates(found, config.seed).items()}}
    provenance = {"version": __version__, "data": config.data.source, "epoch": best.state["epoch"],
                  "train_images": len(trainer.pairs["train"].images), "config": plain(config), "retrieval": figures}
    for folder in filter(None, (config.run / "scorer", config.export)):
        save_mini_clip(folder, trainer.plain_model, trainer.vocabulary.words, trainer.store.backbone, provenance)
        print(f"{folder}: the scorer of epoch {best.state['epoch']}")
    for split, row in figures.items():
        print(f"{split} ({row['images']} images): " + ", ".join(
            f"{name.replace('_', ' ')} {row[name]:.3f} [{low:.3f}, {high:.3f}]"
            for name, (low, high) in row["intervals"].items()))


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Adam's moments and step counts by "parameter number.name"."""
    return {f"{i}.{name}": value for i, entry in optimizer.state_dict()["state"].items() for name, value in entry.items()}


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """The reverse of `optimizer_tensors`; the hyper-parameters are those that the optimiser has."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
