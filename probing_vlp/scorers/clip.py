"""CLIP through open_clip: the cosine of its image and text vectors, in [-1, 1].

CLIPScore (Hessel et al. 2021) is 2.5 * max(cosine, 0) with `prompt="A photo depicts "`; here the cosine is left alone.
Weights: a pretrained tag, which open_clip downloads, or a local `checkpoint`: a state dict of open_clip (.pt, .bin,
.safetensors), or a folder with open_clip_config.json.  `config` is a JSON file of an architecture that open_clip does
not know.  OpenAI's weights in a local file need `arch="ViT-B-32-quickgelu"`; for its tag that is seen to.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch.nn import functional

from probing_vlp.errors import UserError
from probing_vlp.records import Pixels
from probing_vlp.scorers._cosine import cosine_scores
from probing_vlp.scorers._open_clip import TextTower, from_file, from_tag, register_architecture, text_lengths
from probing_vlp.scorers.base import TensorEncoded
from probing_vlp.torchvision_cpu import ensure_torchvision

PRECISIONS = {"float32": "fp32", "bfloat16": "bf16"}
CHUNK = 64  # images, or distinct captions of like length, at a time


class ClipScorer:
    """Any open_clip model.  `dtype` is that of the weights; bfloat16 is faster and moves a score by about 0.01."""

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
        ensure_torchvision()
        if dtype not in PRECISIONS:
            raise UserError(f"clip: dtype '{dtype}' is not one of {', '.join(PRECISIONS)}")
        self.device, self._dtype, self._prompt = torch.device(device), getattr(torch, dtype), prompt
        where = {"precision": PRECISIONS[dtype], "device": self.device}
        if config is not None:
            arch = register_architecture(Path(config))
        model, self._preprocess, self._tokenize = (
            from_tag(arch, pretrained, where) if checkpoint is None else from_file(arch, Path(checkpoint), where)
        )
        self._tower = TextTower(model.eval().requires_grad_(False))

    def encode(self, visuals: Sequence[Pixels]) -> TensorEncoded:
        """(B, D) image vectors of length one; raises UserError naming an image that is missing or broken."""
        chunks = [self._images(visuals[i : i + CHUNK]) for i in range(0, len(visuals), CHUNK)]
        return TensorEncoded(torch.cat(chunks) if chunks else torch.zeros(0, 1, device=self.device))

    def score(self, encoded: TensorEncoded, captions: Sequence[str]) -> torch.Tensor:
        """(B,) float32 in [-1, 1]; NaN for a blank caption.  Text beyond the model's 77 tokens is not read."""
        return cosine_scores(encoded, captions, self._texts)

    @torch.inference_mode()
    def _images(self, visuals: Sequence[Pixels]) -> torch.Tensor:
        pixels = torch.stack([self._preprocess(open_image(visual.path)) for visual in visuals])
        vectors = self._tower.model.encode_image(pixels.to(self.device, self._dtype))
        return functional.normalize(vectors.float(), dim=1)

    @torch.inference_mode()
    def _texts(self, captions: list[str]) -> torch.Tensor:
        tokens = self._tokenize([self._prompt + caption for caption in captions]).to(self.device)
        order = torch.argsort(text_lengths(tokens), stable=True)  # like lengths together: the least padding
        vectors = torch.cat([self._tower.encode(tokens[rows]) for rows in order.split(CHUNK)])
        return functional.normalize(vectors.float()[torch.argsort(order)], dim=1)


def open_image(path: Path) -> Image.Image:
    """RGB pixels; raises UserError naming a file that is missing, broken or cut."""
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except FileNotFoundError:
        raise UserError(f"{path}: no such image; check the image folder") from None
    except OSError as error:
        raise UserError(f"{path}: not a whole image ({error}); download it again or leave it out") from None
