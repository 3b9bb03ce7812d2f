"""ViLT (Kim et al. 2021) through transformers' ViltForImageAndTextRetrieval: one transformer over words and patches.

Scores: "rank", the raw `rank_output` (default), by which the authors rank; "rank_sigmoid", its sigmoid.  The default is
no probability: the head was trained by a softmax over one true and fifteen false captions of an image, so that only
differences between captions of an image mean anything, and the sigmoid is offered for a bounded reward alone.

An image is embedded once (its patches with their positions), alone, as the model's processor gives it; the transformer
itself runs once a distinct pair.  Text is cut at 40 tokens.  Where a config has `max_image_length`, transformers draws
that many patches at random: here always the same ones.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from probing_vlp.hub import load_model
from probing_vlp.records import Pixels
from probing_vlp.scorers._pairs import EncodedRegions, RegionScorer
from probing_vlp.scorers._towers import on, open_image

UNITS = {"rank": "logit", "rank_sigmoid": "probability"}


class ViltScorer(RegionScorer):
    """A ViLT retrieval checkpoint, by hub id ("dandelin/vilt-b32-finetuned-coco") or local folder."""

    name, visual = "vilt", "pixels"

    def __init__(
        self,
        checkpoint: str | Path,
        device: torch.device | str = "cpu",
        dtype: str = "float32",
        score: str = "rank",
    ) -> None:
        model, processor = load_model(checkpoint, "ViltForImageAndTextRetrieval", ("vilt",), device, dtype)
        super().__init__(Ranker(model), score, UNITS)
        self._model, self._processor = model, processor

    def ids(self, caption: str) -> list[int]:
        """[CLS] word pieces [SEP], at most as many as the model has positions."""
        most = self._model.config.max_position_embeddings
        ids: list[int] = self._processor.tokenizer(caption, truncation=True, max_length=most)["input_ids"]
        return ids

    @torch.inference_mode()
    def encode(self, visuals: Sequence[Any]) -> EncodedRegions:
        """Embedded patches; raises UserError naming an image that is missing or broken."""
        none = EncodedRegions(torch.zeros(0, 1, 1, device=self.device), torch.zeros(0, device=self.device).long())
        parts = [self._patches(visual) for visual in visuals]
        return EncodedRegions.join(parts) if parts else none

    def _patches(self, visual: Pixels) -> EncodedRegions:
        inputs = on(self._processor(images=[open_image(visual.path)], return_tensors="pt"), self._model)
        embeddings, most = self._model.vilt.embeddings, self._model.config.max_image_length
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)  # transformers shuffles the patches
            patches, there, _ = embeddings.visual_embed(inputs["pixel_values"], inputs["pixel_mask"], most)
        return EncodedRegions(patches, there.sum(1).long())


class Ranker(nn.Module):
    """The transformer over words and embedded patches, and the ranking head."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def match(self, ids: Tensor, words: Tensor, regions: Tensor, there: Tensor) -> dict[str, Tensor]:
        """Scores (B,) by name."""
        rank = self.model(
            input_ids=ids, attention_mask=words.long(), image_embeds=regions, pixel_mask=there.long()
        ).logits[:, 0]
        return {"rank": rank, "rank_sigmoid": rank.double().sigmoid()}
