"""VQAScore (Lin et al. 2024) with any generative vision-language model of transformers (AutoModelForImageTextToText).

The score is the probability that the next token answers "Yes" to `Does this figure show "{}"? Please answer yes or no.`
It is a softmax over the vocabulary; `normalise` divides it by that of "Yes" and "No" together.  What counts as "Yes"
are the ids that the tokenizer gives to "Yes" alone and after a space, where that is one token; likewise "No".  "yes" in
small letters does not count: models that answer so (BLIP-2, PaliGemma) want `answer="yes"`, `other="no"`.  The authors
take the mean over the answer's tokens, the end among them for their T5: here it is the first token alone.

The question goes through the processor's own chat template, or where it has none after the image token on a line of its
own, or alone where the processor puts the image in itself.  A caption is cut at LONGEST characters, as no processor
here cuts; an image token written in it is left out.

Images are prepared once.  What the vision tower makes of them is kept where the model's forward takes it
(`mm_encoder_outputs`) and, tried on one image when the model is loaded, gives the same score; else the prepared pixels
are, and the tower runs once a distinct pair.  Questions of one length go together, so that nothing is padded.
"""

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from probing_vlp.errors import UserError
from probing_vlp.hub import load_model
from probing_vlp.records import Pixels
from probing_vlp.scorers._questions import EncodedPictures, Questions, join_inputs
from probing_vlp.scorers._towers import on, open_image

TEMPLATE = 'Does this figure show "{}"? Please answer yes or no.'
CHUNK = 16
"""Pairs at a time."""
LONGEST = 1000


class VqaScorer:
    """A generative vision-language checkpoint, by hub id ("llava-hf/llava-1.5-7b-hf") or local folder."""

    name, visual, unit = "vqa-score", "pixels", "probability"

    def __init__(
        self,
        checkpoint: str | Path,
        device: torch.device | str = "cpu",
        dtype: str = "float32",
        template: str = TEMPLATE,
        answer: str = "Yes",
        other: str = "No",
        normalise: bool = False,
    ) -> None:
        if "{}" not in template:
            raise UserError(f"vqa-score: the template '{template}' has no {{}} where the caption goes")
        self._model, processor = load_model(checkpoint, "AutoModelForImageTextToText", (), device, dtype)
        self._template, self._normalise = template, normalise
        self._questions = Questions(processor)
        self._yes, self._no = (_single_tokens(processor.tokenizer, word, checkpoint) for word in (answer, other))
        self._model.config.get_text_config().use_cache = False  # one token is read: nothing to keep for a second
        self._takes = inspect.signature(self._model.forward).parameters
        self._keeps = self._keeps_features()

    @torch.inference_mode()
    def encode(self, visuals: Sequence[Pixels]) -> EncodedPictures:
        """Prepared images, or the vision tower's output; UserError naming an image that is missing or broken."""
        return EncodedPictures([self._prepare(open_image(visual.path)) for visual in visuals])

    @torch.inference_mode()
    def score(self, encoded: EncodedPictures, captions: Sequence[str]) -> Tensor:
        """(B,) float32; NaN for a blank caption."""
        if len(captions) != len(encoded):
            raise ValueError(f"{len(captions)} captions for {len(encoded)} encoded images; select() the rows first")
        pairs = [(row, caption) for row, caption in zip(encoded.rows, captions, strict=True)]
        groups: dict[Any, list[tuple[int, str]]] = {}
        inputs = {pair: self._ask(encoded.items[pair[0]], pair[1]) for pair in dict.fromkeys(pairs) if pair[1].strip()}
        for pair, made in inputs.items():
            groups.setdefault(tuple((key, value.shape[1:]) for key, value in made.items()), []).append(pair)
        found: dict[tuple[int, str], float] = {}
        for group in groups.values():
            for start in range(0, len(group), CHUNK):
                part = group[start : start + CHUNK]
                features = [encoded.items[row]["features"] for row, _ in part] if self._keeps else None
                found.update(zip(part, self._answer([inputs[pair] for pair in part], features), strict=True))
        return torch.tensor([found.get(pair, float("nan")) for pair in pairs], dtype=torch.float32)

    def _prepare(self, picture: Image.Image) -> dict[str, Any]:
        kept = self._questions.prepare(picture)
        if not self._keeps:
            return {"image": kept, "features": None}
        # the processor reads sizes off the pixels: their shape stays, their memory goes
        shapes = {k: v.new_zeros(()).expand(v.shape) if k.startswith("pixel") else v for k, v in kept.items()}
        return {"image": shapes, "features": self._features(kept)}

    def _ask(self, item: dict[str, Any], caption: str) -> dict[str, Tensor]:
        made = self._questions.ask(self._template.replace("{}", caption.strip()[:LONGEST]), item["image"])
        return {k: v for k, v in made.items() if not (self._keeps and k.startswith("pixel"))}

    def _features(self, kept: dict[str, Any]) -> Any:
        """What the vision tower makes of a prepared image."""
        make = self._model.base_model.get_image_features
        takes = inspect.signature(make).parameters
        return make(**on({k: v for k, v in kept.items() if k in takes}, self._model), return_dict=True).pooler_output

    @torch.inference_mode()
    def _keeps_features(self) -> bool:
        """Whether the model scores an image the same by its features as by its pixels."""
        if "mm_encoder_outputs" not in self._takes or not hasattr(self._model.base_model, "get_image_features"):
            return False
        kept = self._questions.prepare(Image.linear_gradient("L").convert("RGB"))
        made = self._questions.ask(self._template, kept)
        bare = {k: v for k, v in made.items() if not k.startswith("pixel")}
        by_pixels = self._answer([made, made], None)
        try:
            features = self._features(kept)
            by_features = self._answer([bare, bare], [features, features])
        except (ValueError, TypeError, AttributeError, RuntimeError, LookupError):  # as each model pleases
            return False
        near = 0.05 if self._model.dtype == torch.bfloat16 else 1e-4
        return torch.allclose(torch.tensor(by_pixels), torch.tensor(by_features), rtol=near)

    def _answer(self, inputs: Sequence[dict[str, Tensor]], features: Sequence[Any] | None) -> list[float]:
        """Probabilities of "Yes" for inputs of one shape."""
        given = on(join_inputs(inputs), self._model)
        if features is not None:
            from transformers.modeling_outputs import BaseModelOutputWithPooling

            whole: Any = (
                torch.cat(list(features)) if isinstance(features[0], Tensor) else [x for f in features for x in f]
            )
            given["mm_encoder_outputs"] = {"image": BaseModelOutputWithPooling(pooler_output=whole)}
        if self._model.config.get_text_config().is_encoder_decoder or self._model.config.is_encoder_decoder:
            start = self._model.generation_config.decoder_start_token_id
            given["decoder_input_ids"] = torch.full((len(inputs), 1), start, device=self._model.device)
        if "logits_to_keep" in self._takes:
            given["logits_to_keep"] = 1
        probabilities = self._model(**given).logits[:, -1].double().softmax(-1)
        yes, no = probabilities[:, self._yes].sum(-1), probabilities[:, self._no].sum(-1)
        return (yes / (yes + no) if self._normalise else yes).tolist()


def _single_tokens(tokenizer: Any, word: str, checkpoint: str | Path) -> list[int]:
    made = [tokenizer(form, add_special_tokens=False)["input_ids"] for form in (word, " " + word)]
    found = sorted({ids[0] for ids in made if len(ids) == 1} - {tokenizer.unk_token_id})
    if not found:
        raise UserError(f"{checkpoint}: '{word}' is not one token of this model; give other options answer and other")
    return found
