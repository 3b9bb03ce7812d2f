"""BLIP image-text matching (Li et al. 2022) through transformers' BlipForImageTextRetrieval.

Class 1 of the matching head is "match": the authors' losses label true pairs 1, and their demo prints its softmax.
Scores: "match", that softmax (default); "logit", the raw logit of class 1, by which the authors re-rank; "cosine", of
the contrastive projections (ITC), which has no cross-attention and costs one text pass a distinct caption.

The first token is [CLS], as in transformers' forward.  The authors put [ENC] there for the matching head; `first="enc"`
does so: the last row of the table of words, which they append to BERT's vocabulary.  Text is cut at the tokenizer's own
limit (512); the authors cut at 35.  The vision tower runs once an image; its
output is kept, 1.8 MB an image for the base size in float32, half of it in bfloat16, one vector for "cosine".
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from probing_vlp.errors import UserError
from probing_vlp.hub import load_model
from probing_vlp.records import Pixels
from probing_vlp.scorers._cosine import cosine_scores
from probing_vlp.scorers._pairs import EncodedRegions, RegionScorer
from probing_vlp.scorers._towers import CHUNK, on, open_image, unit_texts
from probing_vlp.scorers.base import TensorEncoded

MATCH = 1
UNITS = {"match": "probability", "logit": "logit", "cosine": "cosine"}


class BlipScorer(RegionScorer):
    """A BLIP retrieval checkpoint, by hub id ("Salesforce/blip-itm-base-coco") or local folder."""

    name, visual = "blip", "pixels"

    def __init__(
        self,
        checkpoint: str | Path,
        device: torch.device | str = "cpu",
        dtype: str = "float32",
        score: str = "match",
        first: str = "cls",
    ) -> None:
        if first not in ("cls", "enc"):
            raise UserError(f"blip: first '{first}' is not one of cls, enc")
        model, processor = load_model(checkpoint, "BlipForImageTextRetrieval", ("blip",), device, dtype)
        super().__init__(Matcher(model), score, UNITS)
        self._model, self._processor, text = model, processor, model.config.text_config
        self._most = min(processor.tokenizer.model_max_length, text.max_position_embeddings)
        self._first = text.vocab_size - 1 if first == "enc" and score != "cosine" else None

    def ids(self, caption: str) -> list[int]:
        """[CLS] (or [ENC]) word pieces [SEP], as the model's processor makes them."""
        ids: list[int] = self._processor.tokenizer(caption, truncation=True, max_length=self._most)["input_ids"]
        return ids if self._first is None else [self._first, *ids[1:]]

    @torch.inference_mode()
    def encode(self, visuals: Sequence[Any]) -> Any:
        """The vision tower's output, or for "cosine" its projection; UserError naming an image that is broken."""
        states = [self._states(visuals[i : i + CHUNK]) for i in range(0, len(visuals), CHUNK)]
        tokens = torch.cat(states) if states else torch.zeros(0, 1, 1, device=self.device)
        if self._score == "cosine":
            return TensorEncoded(tokens[:, 0])
        return EncodedRegions(tokens, torch.full((len(tokens),), tokens.shape[1], device=self.device))

    def score(self, encoded: Any, captions: Sequence[str]) -> Tensor:
        """(B,) float32; NaN for a blank caption."""
        return (
            cosine_scores(encoded, captions, self._embed)
            if self._score == "cosine"
            else super().score(encoded, captions)
        )

    def _states(self, visuals: Sequence[Pixels]) -> Tensor:
        inputs = self._processor(images=[open_image(v.path) for v in visuals], return_tensors="pt")
        states: Tensor = self._model.vision_model(**on(inputs, self._model)).last_hidden_state
        if self._score != "cosine":
            return states
        return functional.normalize(self._model.vision_proj(states[:, :1]).float(), dim=-1)

    @torch.inference_mode()
    def _embed(self, captions: list[str]) -> Tensor:
        return unit_texts(captions, [len(self.ids(caption)) for caption in captions], self._texts)

    def _texts(self, captions: list[str]) -> Tensor:
        tokens, words = self.pad([self.ids(caption) for caption in captions])
        states = self._model.text_encoder(input_ids=tokens, attention_mask=words.long()).last_hidden_state
        vectors: Tensor = self._model.text_proj(states[:, 0])
        return vectors


class Matcher(nn.Module):
    """The text encoder with its cross-attention, and the matching head."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def match(self, ids: Tensor, words: Tensor, regions: Tensor, there: Tensor) -> dict[str, Tensor]:
        """Scores (B,) by name; all images have as many tokens, so that none is masked."""
        states = self.model.text_encoder(
            input_ids=ids, attention_mask=words.long(), encoder_hidden_states=regions
        ).last_hidden_state
        logits = self.model.itm_head(states[:, 0]).double()
        return {"match": logits.softmax(-1)[:, MATCH], "logit": logits[:, MATCH]}
