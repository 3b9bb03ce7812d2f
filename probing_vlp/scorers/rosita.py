"""ROSITA (Cui et al. 2021): one transformer over 30 word pieces and 36 regions.

Class 1 of `mm_itm_head` is "match".  Scores: "match", its softmax (default), by which the authors rank; "logit", its
raw logit.

Text: every mark and underscore is deleted ("T-shirts" becomes "Tshirts"), then lower-case word pieces, cut to 30 with
[CLS] and [SEP] (`PAD_MAX.text`; pre-training cut at 20: say so in the config).  Regions: the first 36
(`PAD_MAX.image`).  Position of a region: x1 y1 x2 y2 over the image's size, and its share of the image's area.

Files: a dictionary of state dicts, one for each part of the network, among `epoch` and `net_optim`; a YAML config whose
keys stand over the defaults of the authors' `Cfg`.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor, nn

from probing_vlp.errors import UserError
from probing_vlp.files import read_bytes
from probing_vlp.records import Regions
from probing_vlp.scorers._bert import EPSILON, Encoder, Pooler, TextEmbeddings, additive_mask
from probing_vlp.scorers._kinds import PUBLISHED, check_model, count_layers
from probing_vlp.scorers._pairs import RegionScorer
from probing_vlp.scorers._weights import (
    axis_size,
    blaming,
    check_counts,
    check_heads_known,
    inside,
    load_strictly,
    place,
    read_checkpoint,
    state_dict,
)
from probing_vlp.scorers._wordpiece import WordPieces

PARTS = ("text_embeddings", "visual_embeddings", "backbone", "pooler", "mm_itm_head")
WORDS = "text_embeddings.word_embeddings.weight"
DEFAULTS: dict[str, Any] = {
    **{"LAYER": 12, "HSIZE": 768, "HHEAD": 12, "HFF": 3072, "POS_EMB_IN_SIZE": 512, "TYPE_EMB_IN_SIZE": 2},
    **{"IMGFEAT_SIZE": 2048, "BBOXFEAT_SIZE": 5, "PAD_MAX": {"text": 30, "image": 36}},
}
NAMES = (
    *((".layer.", ".layers."), (".attention.self.query", ".mhatt.dense_q"), (".attention.self.key", ".mhatt.dense_k")),
    *((".attention.self.value", ".mhatt.dense_v"), (".attention.output.dense", ".mhatt.dense_merge")),
    *((".attention.output.LayerNorm", ".layer_norm0"), (".intermediate.dense", ".ffn.dense0")),
    *((".output.dense", ".ffn.dense1"), (".output.LayerNorm", ".layer_norm1"), (".LayerNorm", ".layer_norm")),
)
"""BERT's names and the authors', in the order in which they are exchanged."""


class RositaScorer(RegionScorer):
    """ROSITA, pre-trained or fine-tuned for retrieval; sizes are read off the file without a config."""

    name = "rosita"

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
        check_model(found := read_checkpoint(checkpoint, trust_pickle), checkpoint, "ROSITA")
        state = flat_state(found, checkpoint)
        words = axis_size(state, WORDS)
        sizes = read_cfg(config) if config else sizes_of(state, checkpoint)
        with blaming(config):
            network = Rosita(sizes, words)
        place(network, device, dtype)
        load_strictly(network, state, checkpoint, "ROSITA", called=rosita_name)
        check_heads_known(sizes["HSIZE"], checkpoint, config)
        super().__init__(network, score, {"match": "probability", "logit": "logit"})
        self.feature_size = sizes["IMGFEAT_SIZE"]
        self.limits = dict(sizes["PAD_MAX"])
        self._pieces = WordPieces(vocab, lower=True)
        self._pieces.check(words, checkpoint)

    def inputs(self, image: Regions) -> tuple[np.ndarray, np.ndarray]:
        """Features (R, 2048) and positions (R, 5)."""
        count, width, height = self.limits["image"], float(image.width), float(image.height)
        x1, y1, x2, y2 = image.boxes[:count].astype(np.float32).T
        area = (x2 - x1) * (y2 - y1) / (width * height)
        return image.features[:count], np.stack([x1 / width, y1 / height, x2 / width, y2 / height, area], 1)

    def ids(self, caption: str) -> list[int]:
        """[CLS] word pieces [SEP], of the caption without its marks."""
        return self._pieces(re.sub(r"[^\w\s]|_", "", caption), self.limits["text"])


def flat_state(found: Any, path: str | Path) -> dict[str, Tensor]:
    """The weights of all parts as PART.name; UserError if it is no checkpoint of ROSITA's."""
    parts = {part: found[part] for part in PARTS if part in found} if isinstance(found, Mapping) else {}
    if not parts:
        held = ", ".join(map(str, list(found)[:5])) if isinstance(found, Mapping) else type(found).__name__
        held = held or "nothing"
        where = inside(found, _has_parts) if isinstance(found, Mapping) else ""
        raise UserError(f"{path}: not a checkpoint of ROSITA: it holds {held}, and no {', '.join(PARTS)}{where}")
    states = {part: state_dict(weights, f"{path} ({part})") for part, weights in parts.items()}
    return {f"{part}.{key}": weight for part, weights in states.items() for key, weight in weights.items()}


def _has_parts(value: Any) -> bool:
    return isinstance(value, Mapping) and any(part in value for part in PARTS)


def rosita_name(key: str) -> str:
    """What the authors call a weight of `Rosita`."""
    for ours, theirs in NAMES:
        key = key.replace(ours, theirs)
    return key


def read_cfg(path: str | Path) -> dict[str, Any]:
    """The authors' YAML over the defaults of their `Cfg`; UserError if it is none."""
    try:
        given = yaml.safe_load(read_bytes(Path(path), "model config", "give the authors' file as the option config"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not YAML ({error})") from None
    foreign = [str(key) for key in given if not str(key).isupper()] if isinstance(given, dict) else ["it is no mapping"]
    if foreign:
        raise UserError(f"{path}: not a config of ROSITA, whose keys are HSIZE, LAYER, ...: {', '.join(foreign[:5])}")
    limits = given.get("PAD_MAX", {})
    if not isinstance(limits, dict):
        raise UserError(f"{path}: PAD_MAX {limits}: give the two numbers text and image below it")
    config = {**DEFAULTS, **given, "PAD_MAX": {**DEFAULTS["PAD_MAX"], **limits}}
    check_counts(config, path, [key for key in DEFAULTS if key != "PAD_MAX"])
    check_counts(config["PAD_MAX"], path, ["text", "image"])
    pieces, most = config["PAD_MAX"]["text"], config["POS_EMB_IN_SIZE"]
    if not 2 < pieces <= most:  # [CLS], a piece, [SEP]
        raise UserError(f"{path}: PAD_MAX.text is {pieces}; it must be 3 or more, and {most} (POS_EMB_IN_SIZE) or less")
    return config


def sizes_of(state: Mapping[str, Tensor], path: str | Path) -> dict[str, Any]:
    """The config that the shapes imply; heads are 64 wide, as in the published size.  UserError for missing layers."""

    size = axis_size(state, WORDS, 1)
    return {
        **DEFAULTS,
        "HSIZE": size,
        "HHEAD": max(1, size // 64),
        "LAYER": count_layers(state, "backbone.layers.", path, "LAYER", PUBLISHED.get(size, 0)),
        "HFF": axis_size(state, "backbone.layers.0.ffn.dense0.weight"),
        "POS_EMB_IN_SIZE": axis_size(state, "text_embeddings.position_embeddings.weight"),
        "TYPE_EMB_IN_SIZE": axis_size(state, "text_embeddings.token_type_embeddings.weight"),
        "IMGFEAT_SIZE": axis_size(state, "visual_embeddings.dense_imgfeat.weight", 1),
    }


class RegionEmbeddings(nn.Module):
    """LN(W f + P position)."""

    def __init__(self, size: int, feature_size: int, box_size: int) -> None:
        super().__init__()
        self.dense_imgfeat = nn.Linear(feature_size, size)
        self.dense_bboxfeat = nn.Linear(box_size, size)
        self.LayerNorm = nn.LayerNorm(size, eps=EPSILON)
        self.dropout = nn.Dropout(0.1)

    def forward(self, features: Tensor, boxes: Tensor) -> Tensor:
        """(B, R, H) from features (B, R, D) and positions (B, R, 5)."""
        out: Tensor = self.dropout(self.LayerNorm(self.dense_imgfeat(features) + self.dense_bboxfeat(boxes)))
        return out


class MatchHead(nn.Module):
    """Logits of "mismatch" and "match"."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.dense = nn.Linear(size, 2)

    def forward(self, pooled: Tensor) -> Tensor:
        """(B, 2) from (B, H)."""
        out: Tensor = self.dense(pooled)
        return out


class Rosita(nn.Module):
    """ROSITA with its matching head; `config` has the keys of DEFAULTS, `words` is the size of the vocabulary."""

    def __init__(self, config: Mapping[str, Any], words: int) -> None:
        super().__init__()
        size = config["HSIZE"]
        self.text_embeddings = TextEmbeddings(words, config["POS_EMB_IN_SIZE"], config["TYPE_EMB_IN_SIZE"], size)
        self.visual_embeddings = RegionEmbeddings(size, config["IMGFEAT_SIZE"], config["BBOXFEAT_SIZE"])
        self.backbone = Encoder(size, config["HHEAD"], config["HFF"], config["LAYER"])
        self.pooler = Pooler(size, size)
        self.mm_itm_head = MatchHead(size)

    def embed_regions(self, features: Tensor, boxes: Tensor, there: Tensor) -> Tensor:
        """(B, R, H): they do not depend on the caption."""
        out: Tensor = self.visual_embeddings(features, boxes)
        return out

    def match(self, ids: Tensor, words: Tensor, regions: Tensor, there: Tensor) -> dict[str, Tensor]:
        """Scores (B,) by name."""
        x = torch.cat([self.text_embeddings(ids), regions], 1)
        mask = additive_mask(torch.cat([words, there], 1), x.dtype)
        logits = self.mm_itm_head(self.pooler(self.backbone.first(x, mask)))
        return {"match": logits.softmax(-1)[:, 1], "logit": logits[:, 1]}
