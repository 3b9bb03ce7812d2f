"""The text tower of mini-clip, the project's own dual encoder (scorers/mini_clip.py): trained on photographs' features.

Layers: the word's embedding, the GRU's state at the word, that state in the space that images and captions share.
Words are those of its captions, lower case and without punctuation; any other has no vector of its own.
"""

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from probing_vlp.data.text import tokenize
from probing_vlp.data.vocabulary import Vocabulary
from probing_vlp.files import read_bytes
from probing_vlp.scorers.mini_clip import SHIPPED, MiniClip, load_mini_clip
from probing_vlp.similarity.encoders.base import Tokens
from probing_vlp.similarity.words.templates import Filled


class GruText:
    """A text tower of mini-clip's shape; subclasses say whose weights."""

    has_twin: ClassVar[bool] = True
    layers = ("word embedding", "GRU", "joint")
    name = ""
    trained_on = ""

    def __init__(self, untrained_seed: int | None, device: str) -> None:
        self.seed, self.device = untrained_seed, device

    def read(self) -> tuple[MiniClip, Sequence[str]]:
        """The trained model and its words."""
        raise NotImplementedError

    @property
    def about(self) -> dict[str, Any]:
        """What it was trained on, and how many words it has."""
        return {
            "architecture": "mini-clip's text tower",
            "trained_on": self.trained_on,
            "words": len(self._words.words),
        }

    def tokens(self, filled: Filled) -> Tokens:
        """Words of the caption rule; the slot is what lies between the words before and those behind."""
        before, word, after = (
            self._words.encode(tokenize(part))
            for part in (filled.text[: filled.start], filled.text[filled.start : filled.end], filled.text[filled.end :])
        )
        slot = tuple(range(len(before), len(before) + len(word)))
        return Tokens((*before, *word, *after), slot, self._words.unknown in word)

    @torch.inference_mode()
    def states(self, rows: np.ndarray) -> Sequence[torch.Tensor]:
        """Three tensors (B, T, width)."""
        words = self._model.words(torch.from_numpy(rows).to(self.device))
        states, _ = self._model.gru(words)
        return [words, states, self._model.text(states)]

    @cached_property
    def _model(self) -> MiniClip:
        model = self._read[0]
        if self.seed is not None:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(self.seed)
                model = MiniClip(model.sizes)
        return model.to(self.device).eval().requires_grad_(False)

    @cached_property
    def _read(self) -> tuple[MiniClip, Sequence[str]]:
        return self.read()

    @cached_property
    def _words(self) -> Vocabulary:
        return Vocabulary(tuple(self._read[1]))


class MiniClipText(GruText):
    """The text tower of a saved mini-clip; without `checkpoint` of the one that comes with the project."""

    name = "mini-clip"
    trained_on = "captions and the photographs that they belong to"

    def __init__(self, checkpoint: str = "", untrained_seed: int | None = None, device: str = "cpu") -> None:
        super().__init__(untrained_seed, device)
        self.folder = Path(checkpoint or SHIPPED)

    def read(self) -> tuple[MiniClip, Sequence[str]]:
        """From its folder."""
        model, about = load_mini_clip(self.folder)
        return model, about["words"]

    @cached_property
    def identity(self) -> str:
        """A hash of the description, which names that of the weights."""
        said = read_bytes(self.folder / "mini-clip.json", "mini-clip description", "train one: python train.py scorer")
        return hashlib.sha256(said).hexdigest()
