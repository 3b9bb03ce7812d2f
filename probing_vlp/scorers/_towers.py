"""Dual encoders of transformers (CLIP, SigLIP): vectors of images and of captions, whose cosine is the score."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from probing_vlp.errors import UserError
from probing_vlp.records import Pixels

CHUNK = 64
"""Images, or distinct captions of like length, at a time."""


class HubTowers:
    """The two towers of a transformers model, fed as its own processor does.

    `fixed`: every text is padded to the table of positions, as SigLIP was trained; else to the longest beside it.
    """

    def __init__(self, model: Any, processor: Any, fixed: bool) -> None:
        self.model, self._processor, self._fixed = model, processor, fixed
        self._most = int(model.config.text_config.max_position_embeddings)

    @torch.inference_mode()
    def images(self, pictures: Sequence[Image.Image]) -> Tensor:
        """(B, D) vectors, not normalised."""
        inputs = self._processor(images=list(pictures), return_tensors="pt")
        vectors: Tensor = self.model.get_image_features(**on(inputs, self.model)).pooler_output
        return vectors

    @torch.inference_mode()
    def texts(self, captions: Sequence[str]) -> Tensor:
        """(B, D) vectors, not normalised; text beyond the model's positions is not read."""
        inputs = self._processor.tokenizer(
            list(captions),
            padding="max_length" if self._fixed else True,
            truncation=True,
            max_length=self._most,
            return_tensors="pt",
        )
        taken = {key: inputs[key] for key in ("input_ids", "attention_mask") if key in inputs}
        vectors: Tensor = self.model.get_text_features(**on(taken, self.model)).pooler_output
        return vectors

    def lengths(self, captions: Sequence[str]) -> list[int]:
        """Tokens of each caption."""
        found = self._processor.tokenizer(list(captions), truncation=True, max_length=self._most)["input_ids"]
        return [len(ids) for ids in found]


def unit_images(visuals: Sequence[Pixels], images: Callable[[list[Image.Image]], Tensor]) -> Tensor:
    """(B, D) float32 vectors of length one; raises UserError naming an image that is missing or broken."""
    chunks = [images([open_image(v.path) for v in visuals[i : i + CHUNK]]) for i in range(0, len(visuals), CHUNK)]
    return functional.normalize(torch.cat(chunks).float(), dim=1) if chunks else torch.zeros(0, 1)


def unit_texts(captions: Sequence[str], lengths: Sequence[int], texts: Callable[[list[str]], Tensor]) -> Tensor:
    """(B, D) float32 vectors of length one, captions of like length together."""
    batches = like_lengths(lengths)
    vectors = torch.cat([texts([captions[i] for i in batch]) for batch in batches])
    back = torch.argsort(torch.tensor([i for batch in batches for i in batch]))
    return functional.normalize(vectors.float(), dim=1)[back.to(vectors.device)]


def like_lengths(lengths: Sequence[int]) -> list[list[int]]:
    """Indices in batches of CHUNK at most, in which the longest is a quarter longer than the shortest at most."""
    batches: list[list[int]] = []
    for i in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if not batches or len(batches[-1]) == CHUNK or lengths[i] > 1.25 * lengths[batches[-1][0]]:
            batches.append([])
        batches[-1].append(i)
    return batches


def on(inputs: Any, model: Any) -> dict[str, Any]:
    """A processor's output on the model's device, real numbers in the model's dtype."""
    return {
        key: value.to(model.device, model.dtype if value.is_floating_point() else value.dtype)
        for key, value in inputs.items()
    }


def open_image(path: Path) -> Image.Image:
    """RGB pixels; raises UserError naming a file that is missing, broken or cut."""
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except FileNotFoundError:
        raise UserError(f"{path}: no such image; check the image folder") from None
    except (OSError, ValueError, SyntaxError) as error:
        raise UserError(f"{path}: not a whole image ({error}); download it again or leave it out") from None
