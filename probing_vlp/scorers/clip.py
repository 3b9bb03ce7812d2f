"""CLIP through open_clip or transformers: the cosine of its image and text vectors, in [-1, 1].

CLIPScore (Hessel et al. 2021) is 2.5 * max(cosine, 0) with `prompt="A photo depicts "`; here the cosine is left alone.
Weights: a pretrained tag, which open_clip downloads, or a `checkpoint`, and what it is shows:

- a state dict of open_clip (.pt, .bin, .safetensors), of the architecture `arch` or of the JSON file `config`;
- a folder with open_clip_config.json and such a state dict;
- a folder whose config.json says model_type clip, or a hub id ("openai/clip-vit-base-patch32"), for transformers.

OpenAI's weights in a local open_clip file need `arch="ViT-B-32-quickgelu"`; for the tag, and in transformers, that is
seen to.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import torch
from PIL import Image
from torch import Tensor

from probing_vlp.errors import UserError
from probing_vlp.hub import is_hub_id, load_model, model_type
from probing_vlp.records import Pixels
from probing_vlp.scorers._cosine import cosine_scores
from probing_vlp.scorers._open_clip import IN_FOLDER, OpenClipTowers, from_file, from_tag, register_architecture
from probing_vlp.scorers._towers import HubTowers, unit_images, unit_texts
from probing_vlp.scorers.base import TensorEncoded
from probing_vlp.torchvision_cpu import ensure_torchvision

PRECISIONS = {"float32": "fp32", "bfloat16": "bf16"}


class Towers(Protocol):
    """What open_clip's models and transformers' have in common here."""

    def images(self, pictures: Sequence[Image.Image]) -> Tensor:
        """(B, D) vectors, not normalised."""
        ...

    def texts(self, captions: Sequence[str]) -> Tensor:
        """(B, D) vectors, not normalised; padded to the longest text and no further."""
        ...

    def lengths(self, captions: Sequence[str]) -> list[int]:
        """Tokens of each caption."""
        ...


class ClipScorer:
    """Any CLIP of open_clip or transformers.  `dtype` is that of the weights; bfloat16 moves a score by about 0.01."""

    name, visual, unit = "clip", "pixels", "cosine"

    def __init__(
        self,
        device: torch.device | str = "cpu",
        arch: str = "ViT-B-32",
        pretrained: str = "openai",
        checkpoint: str | Path | None = None,
        config: str | Path | None = None,
        dtype: str = "float32",
        prompt: str = "",
    ) -> None:
        if dtype not in PRECISIONS:
            raise UserError(f"clip: dtype '{dtype}' is not one of {', '.join(PRECISIONS)}")
        self._prompt = prompt
        self._towers: Towers
        if checkpoint is not None and config is None and of_transformers(checkpoint):
            self._towers = HubTowers(*load_model(checkpoint, "CLIPModel", ("clip",), device, dtype), fixed=False)
            return
        ensure_torchvision()
        where = {"precision": PRECISIONS[dtype], "device": torch.device(device)}
        if config is not None:
            arch = register_architecture(Path(config))
        parts = from_tag(arch, pretrained, where) if checkpoint is None else from_file(arch, Path(checkpoint), where)
        self._towers = OpenClipTowers(parts, torch.device(device), getattr(torch, dtype))

    def encode(self, visuals: Sequence[Pixels]) -> TensorEncoded:
        """(B, D) image vectors of length one; raises UserError naming an image that is missing or broken."""
        return TensorEncoded(unit_images(visuals, self._towers.images))

    def score(self, encoded: TensorEncoded, captions: Sequence[str]) -> Tensor:
        """(B,) float32 in [-1, 1]; NaN for a blank caption.  Text beyond the model's 77 tokens is not read."""
        return cosine_scores(encoded, captions, self._embed)

    def _embed(self, captions: list[str]) -> Tensor:
        prompted = [self._prompt + caption for caption in captions]
        return unit_texts(prompted, self._towers.lengths(prompted), self._towers.texts)


def of_transformers(checkpoint: str | Path) -> bool:
    """Whether transformers reads it: a hub id, or a folder with a config.json and no weights of open_clip."""
    folder = Path(checkpoint)
    if (folder / "open_clip_config.json").is_file() and any((folder / name).is_file() for name in IN_FOLDER):
        return False
    return is_hub_id(checkpoint) or ((folder / "config.json").is_file() and bool(model_type(folder)))
