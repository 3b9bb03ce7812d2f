"""Validation in the loop: captions of a split by the current model, and their CIDEr-D, without Java.

CIDEr-D here counts words as the vocabulary does and takes its document frequencies from the split itself; it ranks
checkpoints.  The report's CIDEr is pycocoevalcap's.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from probing_vlp.captioner.decode import decode_words
from probing_vlp.captioner.fc import FCCaptioner
from probing_vlp.captioner.stepper import DecodeConfig, make_stepper
from probing_vlp.cider_d import WordCiderD
from probing_vlp.data.visuals import VisualSource
from probing_vlp.data.vocabulary import Vocabulary
from probing_vlp.records import Image
from probing_vlp.training.session import Session

CHUNK = 256
"""Images decoded at a time."""


class Validator:
    """CIDEr-D of a split, its captions decoded as configured; the processes share the images."""

    criterion = "val_cider"

    def __init__(
        self, source: VisualSource, images: Sequence[Image], vocabulary: Vocabulary, decoding: DecodeConfig
    ) -> None:
        self.source, self.images, self.vocabulary, self.decoding = source, images, vocabulary, decoding
        self.metric = WordCiderD(
            {image.image_id: [list(tokens) for tokens in source.data.tokens[image.image_id]] for image in images},
            end=False,
        )

    def __call__(self, session: Session) -> dict[str, Any]:
        """The numbers for the log."""
        return {"val_cider": self.cider(*self.words(session))}

    def words(self, session: Session) -> tuple[list[int], Tensor]:
        """Rows of the split and their captions (rows, T), the same in every process."""
        assert isinstance(session.raw_model, FCCaptioner)
        count, index = session.accelerator.num_processes, session.accelerator.process_index
        share = -(-len(self.images) // count)
        rows = [
            min(i, len(self.images) - 1) for i in range(index * share, (index + 1) * share)
        ]  # padded to equal shares
        # of the whole split, so that an image's caption does not depend on the number of processes
        uniform = torch.rand(len(self.images), self.decoding.max_length, generator=torch.Generator().manual_seed(0))[
            rows
        ]
        words = decode_images(session.raw_model, self.source, [self.images[i] for i in rows], self.decoding, uniform)
        words = session.gather(words.to(session.device))
        return list(range(len(self.images))), words[: len(self.images)]

    def cider(self, rows: Sequence[int], words: Tensor) -> float:
        """Mean CIDEr-D of captions of the given rows."""
        ids = [self.images[row].image_id for row in rows]
        return float(np.mean(self.metric.score(ids, [self.vocabulary.decode(row) for row in words.tolist()])))


@torch.no_grad()
def decode_images(
    model: FCCaptioner, source: VisualSource, images: Sequence[Image], config: DecodeConfig, uniform: Tensor
) -> Tensor:
    """Words (images, T) of captions, CHUNK images at a time; uniform (images, T): the numbers that sampling inverts."""
    assert source.store is not None
    device = model.output.weight.device
    stepper, parts = make_stepper(model, config), []
    uniform = uniform.to(device)
    for start in range(0, len(images), CHUNK):
        rows = source.store.rows([image.image_id for image in images[start : start + CHUNK]])
        parts.append(
            decode_words(model, torch.from_numpy(rows).to(device), config, uniform[start : start + CHUNK], stepper)
        )
    return torch.cat(parts).cpu()
