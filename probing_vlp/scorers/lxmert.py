"""LXMERT (Tan and Bansal 2019), pre-trained: language and object layers, then cross layers.

The network is transformers' own, which computes what the authors' does; only its matching head and the order of calls
are here, so that the object layers run once an image.

Class 1 of `cls.seq_relationship` is "match" (the head has BERT's name, not its order of classes).  Scores: "match", its
softmax (default); "logit", its raw logit.  Files fine-tuned for question answering lack that head.

Text: uncased word pieces, at most 20 with [CLS] and [SEP].  Regions: all that the features hold (36 in the published
ones), without a mask: images with fewer regions than others of a batch are scored as if alone.  Position of a region:
x1 y1 x2 y2 over the image's size.

The authors' code has BERT's config built in; give `config` (BERT's own JSON, or transformers' of LXMERT) where the
heads are not 64 wide.  Layers are those that the config names (`l_layers`, `x_layers`, `r_layers`), else those of the
file, which has 9, 5 and 5 where it is 768 wide.
"""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from probing_vlp.errors import UserError
from probing_vlp.records import Regions
from probing_vlp.scorers._bert import activation, additive_mask, check_heads
from probing_vlp.scorers._kinds import check_model, count_layers
from probing_vlp.scorers._pairs import RegionScorer
from probing_vlp.scorers._weights import (
    axis_size,
    blaming,
    check_counts,
    load_strictly,
    place,
    read_checkpoint,
    read_config,
    state_dict,
)
from probing_vlp.scorers._wordpiece import WordPieces

PIECES = 20
NEEDS = ("vocab_size", "hidden_size", "num_attention_heads", "intermediate_size")
OPTIONAL = ("hidden_act", "max_position_embeddings", "type_vocab_size")
OTHER_TASKS = ("cls.predictions.", "obj_predict_head.", "answer_head.")
LAYERS = {"l_layers": ("layer", 9), "x_layers": ("x_layers", 5), "r_layers": ("r_layers", 5)}
"""What the file calls each kind of layer, and how many the published model has."""
PUBLISHED_WIDTH = 768


class LxmertScorer(RegionScorer):
    """LXMERT as pre-trained, from the authors' file or the one for transformers."""

    name = "lxmert"

    def __init__(
        self,
        checkpoint: str | Path,
        config: str | Path | None = None,
        vocab: str | Path = "bert-base-uncased",
        device: torch.device | str = "cpu",
        dtype: str = "float32",
        score: str = "match",
        trust_pickle: bool = False,
    ) -> None:
        check_model(found := read_checkpoint(checkpoint, trust_pickle), checkpoint, "LXMERT")
        state = state_dict(found, checkpoint, lxmert_key)
        if not any(key.startswith("cls.seq_relationship.") for key in state) and any(
            "x_layers" in key for key in state
        ):
            raise UserError(
                f"{checkpoint}: has no matching head (cls.seq_relationship), like files fine-tuned for another task; "
                "give the pre-trained file"
            )
        given = read_config(config, NEEDS) if config else {}
        check_counts(given, config or checkpoint, (*NEEDS, *OPTIONAL[1:], *LAYERS))
        sizes = sizes_of(state) | {key: given[key] for key in (*NEEDS, *OPTIONAL, *LAYERS) if key in given}
        sizes |= layers_of(state, checkpoint, [name for name in LAYERS if name not in given])
        with blaming(config):
            network = Lxmert(sizes)
        place(network, device, dtype)  # before loading, so that float64 weights keep their digits
        load_strictly(network, state, checkpoint, "LXMERT", OTHER_TASKS)
        super().__init__(network, score, {"match": "probability", "logit": "logit"})
        self.feature_size = sizes["visual_feat_dim"]
        self._pieces = WordPieces(vocab, lower=True)
        self._pieces.check(sizes["vocab_size"], checkpoint)

    def inputs(self, image: Regions) -> tuple[np.ndarray, np.ndarray]:
        """Features (R, D) and positions (R, 4)."""
        boxes = image.boxes.astype(np.float32) / np.array([image.width, image.height] * 2, np.float32)
        return image.features, boxes

    def ids(self, caption: str) -> list[int]:
        """[CLS] word pieces [SEP]."""
        return self._pieces(caption, PIECES)


def lxmert_key(key: str) -> str:
    """Files for transformers say `lxmert.` for `bert.`."""
    return "bert." + key.removeprefix("lxmert.") if key.startswith("lxmert.") else key


def sizes_of(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """What transformers' config wants to know, read off a state dict's shapes; heads are 64 wide, as in BERT."""

    size = functools.partial(axis_size, state)
    hidden = size("bert.pooler.dense.bias")
    return {
        "vocab_size": size("bert.embeddings.word_embeddings.weight"),
        "max_position_embeddings": size("bert.embeddings.position_embeddings.weight"),
        "type_vocab_size": size("bert.embeddings.token_type_embeddings.weight"),
        "hidden_size": hidden,
        "num_attention_heads": max(1, hidden // 64),
        "intermediate_size": size("bert.encoder.x_layers.0.lang_inter.dense.bias"),
        "visual_feat_dim": size("bert.encoder.visn_fc.visn_fc.weight", 1),
    }


def layers_of(state: Mapping[str, Tensor], path: str | Path, names: Sequence[str]) -> dict[str, int]:
    """How many layers of each of these kinds the file has; UserError for a file that lacks some."""
    published = axis_size(state, "bert.pooler.dense.bias") == PUBLISHED_WIDTH
    return {
        name: count_layers(state, f"bert.encoder.{kind}.", path, name, usual if published else 0)
        for name, (kind, usual) in LAYERS.items()
        if name in names
    }


class Lxmert(nn.Module):
    """transformers' LxmertModel, under the name of the authors' files, with the matching head of pre-training."""

    def __init__(self, sizes: Mapping[str, Any]) -> None:
        super().__init__()
        from transformers import LxmertConfig, LxmertModel

        check_heads(sizes["hidden_size"], sizes["num_attention_heads"])
        activation(sizes.get("hidden_act", "gelu"))
        self.bert = LxmertModel(LxmertConfig(**sizes))
        self.cls = nn.ModuleDict({"seq_relationship": nn.Linear(sizes["hidden_size"], 2)})

    def embed_regions(self, features: Tensor, boxes: Tensor, there: Tensor) -> Tensor:
        """(B, R, H) from features (B, R, D) and positions (B, R, 4): the object layers do not read the text."""
        regions: Tensor = self.bert.encoder.visn_fc(features, boxes)
        mask = additive_mask(there, features.dtype)
        for layer in self.bert.encoder.r_layers:
            regions = layer(regions, mask)[0]
        return regions

    def match(self, ids: Tensor, words: Tensor, regions: Tensor, there: Tensor) -> dict[str, Tensor]:
        """Scores (B,) by name."""
        masks = additive_mask(words, regions.dtype), additive_mask(there, regions.dtype)
        text = self.bert.embeddings(ids, torch.zeros_like(ids))
        for layer in self.bert.encoder.layer:
            text = layer(text, masks[0])[0]
        for layer in self.bert.encoder.x_layers[:-1]:
            text, regions = layer(text, masks[0], regions, masks[1])
        last: Any = self.bert.encoder.x_layers[-1]  # nobody reads what it would make of the regions
        text = last.visual_attention(text, regions, masks[1])[0]
        text = last.lang_self_att(text, masks[0])[0]
        text = last.lang_output(last.lang_inter(text), text)
        logits = self.cls["seq_relationship"](self.bert.pooler(text))
        return {"match": logits.softmax(-1)[:, 1], "logit": logits[:, 1]}
