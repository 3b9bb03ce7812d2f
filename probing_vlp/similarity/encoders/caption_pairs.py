"""A text-only twin of mini-clip: the same tower, words and loss, but no photographs; two captions of one are a pair.

mini-clip learns that a caption belongs to its photograph; this one that two captions belong to one photograph, which
it never sees.  All else is alike: captions of the 1,299 embedded training photographs, words, widths, dropout, Adam at
2e-3, 256 captions a step and 25 steps an epoch, symmetric InfoNCE with a learned temperature, the epoch that retrieves
best among the validation photographs.  So mini-clip less caption-pairs is what seeing images adds.

Differences that remain: 256 captions are 128 pairs, so there are 127 negatives (mini-clip: 255), and dropout is on both
sides of a pair; 15 epochs at most (20), which is beyond the best one of either.

    loss = (CE(s u v', i) + CE(s v u', i)) / 2,  u, v: vectors of two captions of photograph i, s: one over temperature

Retrieval: of each validation caption, the share whose nearest caption, and one of whose nearest five, is of the same
photograph (mean of both).  It trains once, in under a minute of one core, and is kept with the vectors.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional

from probing_vlp.checkpoints import Checkpoint
from probing_vlp.data.batches import CaptionTable
from probing_vlp.data.captions import CaptionData
from probing_vlp.data.splits import load_data
from probing_vlp.data.vocabulary import Vocabulary
from probing_vlp.errors import UserError
from probing_vlp.scorers.mini_clip import SHIPPED, MiniClip, Sizes, load_mini_clip
from probing_vlp.similarity.encoders.base import files_identity
from probing_vlp.similarity.encoders.caching import default_cache
from probing_vlp.similarity.encoders.mini_clip import GruText


class Recipe(NamedTuple):
    """How it is trained: what mini-clip's own recipe says."""

    seed: int = 0
    epochs: int = 15
    steps: int = 25
    """An epoch's: 6,495 captions in batches of 256."""
    batch_size: int = 128
    """Photographs a step, two captions of each."""
    dropout: float = 0.5
    learning_rate: float = 2e-3
    patience: int = 5
    max_words: int = 30


class CaptionPairs(GruText):
    """The tower trained on pairs of captions; `checkpoint` is a file that `train` made, "" the default recipe's."""

    name = "caption-pairs"
    trained_on = "captions alone, two of one photograph together"

    def __init__(self, checkpoint: str = "", untrained_seed: int | None = None, device: str = "cpu") -> None:
        super().__init__(untrained_seed, device)
        self.path = Path(checkpoint) if checkpoint else None

    def read(self) -> tuple[MiniClip, Sequence[str]]:
        """From its file, which is made first where there is none."""
        checkpoint = Checkpoint.load(self._file)
        try:
            model = MiniClip(Sizes(**checkpoint.state["sizes"]))
            model.load_state_dict(checkpoint.group("model"))
            return model, checkpoint.state["words"]
        except (KeyError, TypeError, RuntimeError) as error:
            raise UserError(f"{self._file}: not a tower of caption pairs ({error}); remove it") from None

    @cached_property
    def identity(self) -> str:
        """A hash of the weights' file."""
        return files_identity([self._file])

    @property
    def about(self) -> dict[str, Any]:
        """The recipe and the validation retrieval of every epoch, too."""
        state = Checkpoint.load(self._file).state
        return {**super().about, "recipe": state.get("recipe"), "val_retrieval": state.get("val_retrieval")}

    @cached_property
    def _file(self) -> Path:
        return self.path or trained(Recipe())


def trained(recipe: Recipe, data: CaptionData | None = None) -> Path:
    """The weights' file of a recipe on these captions (the embedded ones), trained where it is not there yet."""
    data = data or load_data("embedded")
    model, about = load_mini_clip(SHIPPED)
    captions = [data.tokens[image.image_id] for image in data.images if image.split in ("train", "val")]
    made_of = json.dumps([recipe, about["sizes"], about["words"], captions, torch.get_num_threads()])
    path = default_cache() / f"caption-pairs-{hashlib.sha256(made_of.encode()).hexdigest()[:16]}.safetensors"
    if not path.is_file():
        train(path, recipe, data, model.sizes, about["words"])
    return path


def train(path: Path, recipe: Recipe, data: CaptionData, sizes: Sizes, words: Sequence[str]) -> None:
    """Train and save the best epoch.  Deterministic: dropout and batches follow from seed and step."""
    vocabulary = Vocabulary(tuple(words))
    training, validation = (_captions(data, split, vocabulary, recipe.max_words) for split in ("train", "val"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        model = MiniClip(sizes, recipe.dropout)
        optimizer = torch.optim.Adam(model.parameters(), recipe.learning_rate)
        best: dict[str, torch.Tensor] = {}
        found: list[float] = []
        while len(found) < recipe.epochs and len(found) - 1 - _peak(found) < recipe.patience:
            for step in range(len(found) * recipe.steps, (len(found) + 1) * recipe.steps):
                _step(model, optimizer, training, recipe, step)
            found.append(retrieval(model, validation))
            if _peak(found) == len(found) - 1:
                best = {name: value.clone() for name, value in model.state_dict().items()}
    state = {"sizes": asdict(sizes), "words": list(words), "recipe": recipe._asdict(), "val_retrieval": found}
    Checkpoint(Checkpoint.flatten(model=best), state).save(path)


def _peak(found: Sequence[float]) -> int:
    """The first of the best epochs; -1 before there is one."""
    return int(np.argmax(found)) if found else -1


def _captions(data: CaptionData, split: str, vocabulary: Vocabulary, max_words: int) -> CaptionTable:
    """Photographs of a split with two captions or more that have words."""
    lists = [[words for words in data.tokens[image.image_id] if words] for image in data.split(split)]
    return CaptionTable([texts for texts in lists if len(texts) > 1], vocabulary, max_words)


def _step(model: MiniClip, optimizer: torch.optim.Optimizer, table: CaptionTable, recipe: Recipe, step: int) -> None:
    torch.manual_seed((recipe.seed << 32) + step)
    generator = np.random.default_rng([recipe.seed, step])
    images = generator.permutation(len(table.per_image))[: recipe.batch_size]
    model.train()
    vectors = _vectors(model, table.pick(images, 2, generator).targets)
    logits = model.scale() * vectors[::2] @ vectors[1::2].T
    target = torch.arange(len(images))
    loss = (functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)) / 2
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()


def _vectors(model: MiniClip, tokens: np.ndarray, parts: int = 4) -> torch.Tensor:
    """`model.text_vectors`, captions of like length together and padded: cheaper to train than packed ones."""
    ids = torch.from_numpy(tokens)
    count = (ids > 0).sum(dim=1)
    order = count.argsort(stable=True)
    means = []
    for rows in order.chunk(parts):
        part = ids[rows, : int(count[rows].max())]
        states, _ = model.gru(model.dropout(model.words(part)))
        means.append((states * (part > 0)[..., None]).sum(dim=1) / count[rows, None])
    return functional.normalize(model.text(torch.cat(means)), dim=1)[order.argsort()]


@torch.inference_mode()
def retrieval(model: MiniClip, table: CaptionTable) -> float:
    """Mean of recall at 1 and at 5: captions that find another one of their photograph."""
    vectors = _vectors(model.eval(), table.targets)
    owner = torch.from_numpy(np.repeat(np.arange(len(table.per_image)), table.per_image))
    nearest = (vectors @ vectors.T).fill_diagonal_(-torch.inf).topk(5, dim=1).indices
    hits = owner[nearest] == owner[:, None]
    return float((hits[:, 0].float().mean() + hits.any(dim=1).float().mean()) / 2)
