"""Word embeddings of a captioner of this project (captioner/fc.py): what it reads each written word as.

`captioner:RUN` is the run folder of `train.py ce` or a checkpoint file.  There is one layer, and the sentence around a
word does not matter.  The end of a caption and the unknown word have rows of their own, which stand for no word.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from probing_vlp.captioner.checkpoint import find_checkpoint
from probing_vlp.captioner.fc import FCCaptioner, FCConfig
from probing_vlp.checkpoints import Checkpoint
from probing_vlp.data.text import tokenize
from probing_vlp.data.vocabulary import Vocabulary
from probing_vlp.errors import UserError
from probing_vlp.similarity.encoders.base import Tokens, files_identity
from probing_vlp.similarity.words.templates import Filled


class CaptionerWords:
    """Rows of a captioner's word embedding."""

    has_twin: ClassVar[bool] = True
    layers = ("word embedding",)
    name = "captioner"

    def __init__(self, checkpoint: str, untrained_seed: int | None = None, device: str = "cpu") -> None:
        if not checkpoint:
            raise UserError("encoder 'captioner': which one? give captioner:RUN, the folder of train.py ce")
        self.run, self.seed = checkpoint, untrained_seed

    @cached_property
    def identity(self) -> str:
        """A hash of the checkpoint."""
        return files_identity([self._path])

    @property
    def about(self) -> dict[str, Any]:
        """How many words it can write."""
        return {"architecture": "FC captioner", "words": len(self._loaded[1].words)}

    def tokens(self, filled: Filled) -> Tokens:
        """The words in the slot alone."""
        ids = self._loaded[1].encode(tokenize(filled.text[filled.start : filled.end]))
        return Tokens(tuple(ids), tuple(range(len(ids))), self._loaded[1].unknown in ids)

    @torch.inference_mode()
    def states(self, rows: np.ndarray) -> Sequence[torch.Tensor]:
        """One tensor (B, T, D)."""
        return [self._loaded[0][torch.from_numpy(rows)]]

    @cached_property
    def _path(self) -> Path:
        return find_checkpoint(self.run)

    @cached_property
    def _loaded(self) -> tuple[torch.Tensor, Vocabulary]:
        checkpoint = Checkpoint.load(self._path)
        state = checkpoint.state
        if "captioner" not in state or "model.word.weight" not in checkpoint.tensors:
            raise UserError(f"{self._path}: is not the checkpoint of a captioner")
        vocabulary = Vocabulary(tuple(state["vocabulary"]))
        if self.seed is None:
            return checkpoint.tensors["model.word.weight"].float(), vocabulary
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            model = FCCaptioner(state["feature_dim"], len(vocabulary), FCConfig(**state["captioner"]))
        return model.word.weight.detach(), vocabulary
