"""SigLIP and SigLIP 2 (Zhai et al. 2023, Tschannen et al. 2025) through transformers.

Scores: "match", sigmoid(scale * cosine + bias), the probability of a match that SigLIP is trained for (default);
"logit", what is under the sigmoid; "cosine".  Every text is padded to the 64 positions, as in training: the text tower
sees its padding.  SigLIP 2 with pictures of any shape (model_type siglip2) is fed whole images, masked, by its own
processor.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from probing_vlp.errors import UserError
from probing_vlp.hub import load_model
from probing_vlp.records import Pixels
from probing_vlp.scorers._cosine import cosine_scores
from probing_vlp.scorers._towers import HubTowers, unit_images, unit_texts
from probing_vlp.scorers.base import TensorEncoded

UNITS = {"match": "probability", "logit": "logit", "cosine": "cosine"}


class SiglipScorer:
    """A SigLIP checkpoint, by hub id ("google/siglip-base-patch16-224") or local folder."""

    name, visual = "siglip", "pixels"

    def __init__(
        self,
        checkpoint: str | Path,
        device: torch.device | str = "cpu",
        dtype: str = "float32",
        score: str = "match",
    ) -> None:
        if score not in UNITS:
            raise UserError(f"siglip: no score '{score}'; there are {', '.join(UNITS)}")
        model, processor = load_model(checkpoint, "AutoModel", ("siglip", "siglip2"), device, dtype)
        self._score, self.unit = score, UNITS[score]
        self._towers = HubTowers(model, processor, fixed=True)
        self._scale, self._bias = model.logit_scale.float().exp().cpu(), model.logit_bias.float().cpu()

    def encode(self, visuals: Sequence[Pixels]) -> TensorEncoded:
        """(B, D) image vectors of length one; raises UserError naming an image that is missing or broken."""
        return TensorEncoded(unit_images(visuals, self._towers.images))

    def score(self, encoded: TensorEncoded, captions: Sequence[str]) -> Tensor:
        """(B,) float32; NaN for a blank caption.  Text beyond the model's 64 tokens is not read."""
        cosine = cosine_scores(encoded, captions, self._embed)
        if self._score == "cosine":
            return cosine
        logit = self._scale * cosine + self._bias
        return logit.sigmoid() if self._score == "match" else logit

    def _embed(self, captions: list[str]) -> Tensor:
        return unit_texts(captions, [0] * len(captions), self._towers.texts)
