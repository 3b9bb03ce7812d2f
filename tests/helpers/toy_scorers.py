"""Scorers and a backbone of one's own, as a user would put them on PYTHONPATH: `--scorers.toy_scorers:Unscored 1`."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from probing_vlp.data.backbones import Backbone, squeeze
from probing_vlp.scorers.base import TensorEncoded


class Unscored:
    """Scores nothing: NaN for every caption."""

    name, visual, unit = "unscored", "references", "logit"

    def __init__(self, device: Any = "cpu") -> None:
        pass

    def encode(self, visuals: Sequence[Any]) -> TensorEncoded:
        return TensorEncoded(torch.zeros(len(visuals), 1))

    def score(self, encoded: TensorEncoded, captions: Sequence[str]) -> torch.Tensor:
        return torch.full((len(captions),), torch.nan)


class Unmade(Unscored):
    """Cannot be made."""

    def __init__(self) -> None:
        raise RuntimeError("no weights here\nand more")


class Fading(Unscored):
    """Counts the words of a caption, until it has been asked four times; then NaN for all of them."""

    name = "fading"
    asked = 0

    def score(self, encoded: TensorEncoded, captions: Sequence[str]) -> torch.Tensor:
        self.asked += 1
        if self.asked > 4 and os.environ.get("FADING") != "no":
            return super().score(encoded, captions)
        return torch.tensor([float(len(caption.split())) for caption in captions])


class Brightness(Unscored):
    """Looks at the photographs: their mean brightness, whatever the caption."""

    name, visual = "brightness", "pixels"

    def encode(self, visuals: Sequence[Any]) -> TensorEncoded:
        from probing_vlp.data.extract import read_picture

        return TensorEncoded(
            torch.tensor([[sum(read_picture(v.path).convert("L").histogram()[128:])] for v in visuals])
        )

    def score(self, encoded: TensorEncoded, captions: Sequence[str]) -> torch.Tensor:
        return encoded.tensor[:, 0].float()


def backbone(rest: str = "", checkpoint: Path | None = None) -> Backbone:
    """One random convolution: six numbers a picture."""
    torch.manual_seed(0)
    network = torch.nn.Conv2d(3, 6, 5)
    preprocess = squeeze(16, Image.Resampling.BILINEAR, (0.0,) * 3, (1.0,) * 3)
    return Backbone("toy", network, preprocess, lambda x: network(x).mean((2, 3)), {"preprocess": "16 px"})
