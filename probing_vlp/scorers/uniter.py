"""UNITER (Chen et al. 2020): one BERT over the words and then the regions of a pair.

Class 1 of `itm_output` is "match".  Scores: "match", its softmax (default); "logit", its raw logit, by which the
authors rank without fine-tuning; "rank", `rank_output` of a fine-tuned file (row 1 of `itm_output` where there is none,
as their `init_output` does), by which they rank after it; "rank_sigmoid", what their ranking loss sees.

Text: cased word pieces, all of them, up to the 512 positions.  Regions: the first max(10, those with confidence > 0.2),
at most 100; all, at most 100, where no confidence is known.  Position of a region: x1 y1 x2 y2 w h over the image's
size, and w * h.

Deviation from the authors' inf_itm.py: it always ranks by row 1 of `itm_output`, as it looks for a key `rank_output`
that no file has; here the file's own `rank_output.weight` counts.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from probing_vlp.records import Regions
from probing_vlp.scorers._bert import EPSILON, Encoder, Pooler, TextEmbeddings, additive_mask
from probing_vlp.scorers._kinds import PUBLISHED, check_model, count_layers
from probing_vlp.scorers._pairs import RegionScorer
from probing_vlp.scorers._weights import (
    axis_size,
    blaming,
    check_counts,
    check_heads_known,
    load_strictly,
    place,
    read_checkpoint,
    read_config,
    state_dict,
)
from probing_vlp.scorers._wordpiece import WordPieces

NEEDS = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size")
OTHER_TASKS = ("cls.", "feat_regress.", "region_classifier.", "uniter.img_embeddings.mask_embedding.")
LEAST, MOST, CONFIDENT = 10, 100, 0.2


class UniterScorer(RegionScorer):
    """UNITER, base or large, pre-trained or fine-tuned for retrieval; sizes are read off the file without a config."""

    name = "uniter"

    def __init__(
        self,
        checkpoint: str | Path,
        config: str | Path | None = None,
        vocab: str | Path = "bert-base-cased",
        device: torch.device | str = "cpu",
        dtype: str = "float32",
        score: str = "match",
        regions: int | None = None,
        trust_pickle: bool = False,
    ) -> None:
        """`regions`: so many, whatever their confidence (the authors' `num_bb` with `conf_th` -1)."""
        check_model(found := read_checkpoint(checkpoint, trust_pickle), checkpoint, "UNITER")
        state = state_dict(found, checkpoint, uniter_key)
        sizes = sizes_of(state) | (read_config(config, NEEDS) if config else layers_of(state, checkpoint))
        check_counts({} if regions is None else {"regions": regions}, "scorer uniter", ["regions"])
        if config:
            check_counts(sizes, config, (*NEEDS, "max_position_embeddings", "type_vocab_size", "feature_size"))
        with blaming(config):
            network = Uniter(sizes)
        place(network, device, dtype)
        add_rank(state, network.itm_output.state_dict())
        load_strictly(network, state, checkpoint, "UNITER", OTHER_TASKS)
        check_heads_known(sizes["hidden_size"], checkpoint, config)
        units = {"match": "probability", "logit": "logit", "rank": "logit", "rank_sigmoid": "probability"}
        super().__init__(network, score, units)
        self.feature_size, self._positions = sizes["feature_size"], sizes["max_position_embeddings"]
        self._regions = regions
        self._pieces = WordPieces(vocab, lower=False)
        self._pieces.check(sizes["vocab_size"], checkpoint)

    def inputs(self, image: Regions) -> tuple[np.ndarray, np.ndarray]:
        """Features (R, 2048) and positions (R, 7)."""
        count = self._regions or MOST
        if image.confidence is not None and not self._regions:
            count = min(MOST, max(LEAST, int((image.confidence > CONFIDENT).sum())))
        boxes = image.unit_boxes if image.unit_boxes is not None else unit_boxes(image)
        boxes = boxes[:count].astype(np.float32)
        return image.features[:count], np.concatenate([boxes, boxes[:, 4:5] * boxes[:, 5:6]], 1)

    def ids(self, caption: str) -> list[int]:
        """[CLS] word pieces [SEP]; the authors cut at every blank of Python's first."""
        return self._pieces(" ".join(caption.split()), self._positions)


def unit_boxes(image: Regions) -> np.ndarray:
    """(R, 6) float32: x1 y1 x2 y2 w h, divided by the image's width and height."""
    size = np.array([image.width, image.height] * 2, np.float32)
    x1, y1, x2, y2 = (image.boxes.astype(np.float32) / size).T
    return np.stack([x1, y1, x2, y2, x2 - x1, y2 - y1], 1)


def uniter_key(key: str) -> str:
    """Keys of BERT-initialised files say `bert.` for `uniter.`."""
    return "uniter." + key.removeprefix("bert.") if key.startswith("bert.") else key


def add_rank(state: dict[str, Tensor], like: Mapping[str, Tensor]) -> None:
    """Where a file has no `rank_output`, row 1 of `itm_output` is it; `like`: what that is in the network."""
    if any(key.startswith("rank_output.") for key in state):
        return
    for part, own in like.items():
        given = state.get(f"itm_output.{part}", own)  # one of another size, or sparse, is complained of by its own name
        fits = given.shape == own.shape and given.layout is torch.strided
        state[f"rank_output.{part}"] = (given if fits else own)[1:]


def layers_of(state: Mapping[str, Tensor], path: str | Path) -> dict[str, int]:
    """The part of the config that numbers of layers imply; UserError for a file that lacks some."""
    width = axis_size(state, "uniter.embeddings.word_embeddings.weight", 1)
    count = count_layers(state, "uniter.encoder.layer.", path, "num_hidden_layers", PUBLISHED.get(width, 0))
    return {"num_hidden_layers": count}


def sizes_of(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """The config that a state dict's shapes imply; heads are 64 wide, as in both published sizes."""

    def size(name: str, axis: int = 0) -> int:
        return axis_size(state, f"uniter.{name}", axis)

    hidden = size("embeddings.word_embeddings.weight", 1)
    return {
        "vocab_size": size("embeddings.word_embeddings.weight"),
        "hidden_size": hidden,
        "num_attention_heads": max(1, hidden // 64),
        "intermediate_size": size("encoder.layer.0.intermediate.dense.bias"),
        "max_position_embeddings": size("embeddings.position_embeddings.weight"),
        "type_vocab_size": size("embeddings.token_type_embeddings.weight"),
        "feature_size": size("img_embeddings.img_linear.weight", 1),
    }


class RegionEmbeddings(nn.Module):
    """LN(LN(W f) + LN(P position) + type 1)."""

    def __init__(self, size: int, feature_size: int) -> None:
        super().__init__()
        self.img_linear = nn.Linear(feature_size, size)
        self.pos_linear = nn.Linear(7, size)
        self.img_layer_norm, self.pos_layer_norm, self.LayerNorm = (nn.LayerNorm(size, eps=EPSILON) for _ in range(3))
        self.dropout = nn.Dropout(0.1)

    def forward(self, features: Tensor, boxes: Tensor, type_row: Tensor) -> Tensor:
        """(B, R, H) from features (B, R, D) and positions (B, R, 7)."""
        regions = self.img_layer_norm(self.img_linear(features)) + self.pos_layer_norm(self.pos_linear(boxes))
        out: Tensor = self.dropout(self.LayerNorm(regions + type_row))
        return out


class Body(nn.Module):
    """What the authors' files call `uniter`."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        size, layers = config["hidden_size"], config["num_hidden_layers"]
        heads, wide, act = config["num_attention_heads"], config["intermediate_size"], config.get("hidden_act", "gelu")
        positions, types = config.get("max_position_embeddings", 512), config.get("type_vocab_size", 2)
        self.embeddings = TextEmbeddings(config["vocab_size"], positions, types, size)
        self.img_embeddings = RegionEmbeddings(size, config.get("feature_size", 2048))
        self.encoder = Encoder(size, heads, wide, layers, act)
        self.pooler = Pooler(size, size)


class Uniter(nn.Module):
    """UNITER with its matching heads; `config` has the keys of the authors' file, and `feature_size` (2048)."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        self.uniter = Body(config)
        self.itm_output = nn.Linear(config["hidden_size"], 2)
        self.rank_output = nn.Linear(config["hidden_size"], 1)

    def embed_regions(self, features: Tensor, boxes: Tensor, there: Tensor) -> Tensor:
        """(B, R, H): they do not depend on the caption."""
        out: Tensor = self.uniter.img_embeddings(
            features, boxes, self.uniter.embeddings.token_type_embeddings.weight[1]
        )
        return out

    def match(self, ids: Tensor, words: Tensor, regions: Tensor, there: Tensor) -> dict[str, Tensor]:
        """Scores (B,) by name."""
        x = torch.cat([self.uniter.embeddings(ids), regions], 1)
        mask = additive_mask(torch.cat([words, there], 1), x.dtype)
        pooled = self.uniter.pooler(self.uniter.encoder.first(x, mask))
        logits, rank = self.itm_output(pooled), self.rank_output(pooled)[:, 0]
        return {
            "match": logits.softmax(-1)[:, 1],
            "logit": logits[:, 1],
            "rank": rank,
            "rank_sigmoid": rank.sigmoid(),
        }
