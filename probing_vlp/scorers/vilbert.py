"""ViLBERT (Lu et al. 2019), pre-trained or multi-task ("12-in-1", Lu et al. 2020): two BERTs that ask each other.

Class 0 of `cls.bi_seq_relationship` is "match" (the authors label a caption drawn at random 1).  Scores: "match", its
softmax (default), by which the authors rank without fine-tuning; "logit", its raw logit; and from a multi-task file
"vil_logit", by which they rank after it, and "vil_probability", its sigmoid.

"match" is the same head in every file, the only one trained to say whether a pair matches.  No loss of the multi-task
training reads it, while the layers below it move: rank by "vil_logit" there.  That was trained by a softmax over four
candidates, so only its differences mean anything: its sigmoid keeps the order, but is nobody's probability of a match.

Text: uncased word pieces, at most 30 with [CLS] and [SEP]; in a model with task tokens the token of `task` (7: COCO
retrieval, 8: Flickr30k) comes behind [CLS].  Regions: the mean of all features with the box 0 0 1 1 1 first, then the
first 100.  Position of a region: x1 y1 x2 y2 over the image's size, and its share of the image's area.

A model has task tokens where the config says so (`task_specific_tokens`), or, where it is silent like the published
one, if the file has their embeddings.
"""

import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from probing_vlp.errors import UserError
from probing_vlp.records import Regions
from probing_vlp.scorers._kinds import PUBLISHED, check_model, count_layers
from probing_vlp.scorers._pairs import RegionScorer
from probing_vlp.scorers._vilbert import Vilbert
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
from probing_vlp.scorers._wordpiece import SPECIAL, WordPieces

COUNTS = (
    *("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"),
    *("v_hidden_size", "v_num_hidden_layers", "v_num_attention_heads", "v_intermediate_size"),
    *("bi_hidden_size", "bi_num_attention_heads"),
)
NEEDS = (*COUNTS, "v_biattention_id", "t_biattention_id")
OPTIONAL = ("max_position_embeddings", "type_vocab_size", "v_feature_size")
OTHER_MODELS = {"model": "bert", "dynamic_attention": False, "with_coattention": True}
"""Settings of the authors' code of which only these values are known here, and those of their configs."""
OTHER_TASKS = (
    *("cls.predictions.", "cls.imagePredictions.", "vil_prediction.", "vil_prediction_gqa.", "vil_binary_prediction."),
    *("vil_tri_prediction.", "vision_logit.", "linguisic_logit.", "bert.embeddings.task_embeddings."),
)
UNUSED = ".biOutput.q_dense"
MOST, PIECES, TASKS = 101, 30, 20
APART = re.compile("|".join(map(re.escape, SPECIAL)))
"""The authors' tokenizer knows special tokens inside words too."""
WHOLE_IMAGE = np.array([[0, 0, 1, 1, 1]], np.float32)


class VilbertScorer(RegionScorer):
    """ViLBERT, base or large; sizes are read off the file without a config."""

    name = "vilbert"

    def __init__(
        self,
        checkpoint: str | Path,
        config: str | Path | None = None,
        vocab: str | Path = "bert-base-uncased",
        device: torch.device | str = "cpu",
        dtype: str = "float32",
        score: str = "match",
        task: int = 7,
        trust_pickle: bool = False,
    ) -> None:
        check_model(found := read_checkpoint(checkpoint, trust_pickle), checkpoint, "ViLBERT")
        state = state_dict(found, checkpoint)
        state = {key: value for key, value in state.items() if UNUSED not in key}
        sizes = read_config(config, NEEDS) if config else sizes_of(state, checkpoint)
        check_kind(sizes, config or checkpoint)
        units = {"match": "probability", "logit": "logit"}
        if retrieval := any(key.startswith("vil_logit.") for key in state):
            units |= {"vil_logit": "logit", "vil_probability": "probability"}
        elif score.startswith("vil_"):
            raise UserError(f"{checkpoint}: has no vil_logit, so no score '{score}'; give the multi-task file")
        with blaming(config):
            network = Vilbert(sizes, retrieval, tasks := tasks_of(sizes, state), task)
        if tasks and not 0 <= task < tasks:
            raise UserError(f"vilbert: no task {task}; 0 to {tasks - 1} are known (7: COCO retrieval, 8: Flickr30k)")
        place(network, device, dtype)  # before loading, so that float64 weights keep their digits
        load_strictly(network, state, checkpoint, "ViLBERT", OTHER_TASKS)
        super().__init__(network, score, units)
        self.feature_size = sizes.get("v_feature_size", 2048)
        self._pieces = WordPieces(vocab, lower=True)
        self._pieces.check(sizes["vocab_size"], checkpoint)

    def inputs(self, image: Regions) -> tuple[np.ndarray, np.ndarray]:
        """Features (R, D) and positions (R, 5), the whole image first."""
        features = image.features.astype(np.float32)
        mean = features.sum(0, keepdims=True) / len(features)
        positions = np.concatenate([WHOLE_IMAGE, unit_boxes(image)])
        return np.concatenate([mean, features])[:MOST], positions[:MOST]

    def ids(self, caption: str) -> list[int]:
        """[CLS] word pieces [SEP]; the task's token is the network's."""
        return self._pieces(APART.sub(r" \g<0> ", caption), PIECES)


def unit_boxes(image: Regions) -> np.ndarray:
    """(R, 5) float32: x1 y1 x2 y2 over the image's width and height, and the share of its area."""
    boxes = image.boxes.astype(np.float32)
    x1, y1, x2, y2 = boxes.T
    share = (y2 - y1) * (x2 - x1) / np.float32(image.width * image.height)
    return np.concatenate([boxes / np.array([image.width, image.height] * 2, np.float32), share[:, None]], 1)


def check_kind(config: Mapping[str, Any], path: str | Path) -> None:
    """UserError for a size that is none, and for a setting of the authors' code that is not known here."""
    check_counts(config, path, (*COUNTS, *OPTIONAL))
    if type(tokens := config.get("task_specific_tokens", False)) is not bool:
        raise UserError(f"{path}: task_specific_tokens is {tokens!r}; it must be true or false")
    for key, known in OTHER_MODELS.items():
        if (value := config.get(key, known)) != known:
            raise UserError(f"{path}: {key} {value} is not supported, only {known}")


def tasks_of(config: Mapping[str, Any], state: Mapping[str, Tensor]) -> int:
    """Rows of task embeddings of a model that uses them, else 0."""
    table = state.get("bert.embeddings.task_embeddings.weight")
    if not config.get("task_specific_tokens", table is not None):
        return 0
    return TASKS if table is None else len(table)


def layers_of(state: Mapping[str, Tensor], path: str | Path, width: int) -> tuple[int, int]:
    """Layers of the text, and of the image, which has as many co-attentions; UserError for a file that lacks some."""

    def layers(kind: str, option: str, published: int) -> int:
        return count_layers(state, f"bert.encoder.{kind}.", path, option, published)

    depth, pairs = PUBLISHED.get(width, 0), 6 if width in PUBLISHED else 0
    image = {"v_layer": "v_num_hidden_layers", "c_layer": "v_biattention_id"}
    most = max(layers(kind, option, pairs) for kind, option in image.items())
    for kind, option in image.items():
        layers(kind, option, most)
    return layers("layer", "num_hidden_layers", depth), most


def sizes_of(state: Mapping[str, Tensor], path: str | Path) -> dict[str, Any]:
    """The config that a state dict's shapes imply, if heads and order of layers are as in the published ones.

    Heads of the text are 64 wide, the others 128; co-attention i comes before image layer i, the last before the last
    text layer.  UserError for missing layers.
    """

    size = functools.partial(axis_size, state)
    text, image, both = (size(f"bert.{key}.dense.{part}", axis) for key, part, axis in POOLED)
    depth, pairs = layers_of(state, path, text)
    return {
        "vocab_size": size("bert.embeddings.word_embeddings.weight"),
        "max_position_embeddings": size("bert.embeddings.position_embeddings.weight"),
        "type_vocab_size": size("bert.embeddings.token_type_embeddings.weight"),
        "hidden_size": text,
        "num_hidden_layers": depth,
        "num_attention_heads": max(1, text // 64),
        "intermediate_size": size("bert.encoder.layer.0.intermediate.dense.bias"),
        "v_feature_size": size("bert.v_embeddings.image_embeddings.weight", 1),
        "v_hidden_size": image,
        "v_num_hidden_layers": pairs,
        "v_num_attention_heads": max(1, image // 128),
        "v_intermediate_size": size("bert.encoder.v_layer.0.intermediate.dense.bias"),
        "bi_hidden_size": both,
        "bi_num_attention_heads": max(1, both // 128),
        "v_biattention_id": list(range(pairs)),
        "t_biattention_id": list(range(depth - pairs, depth)),
    }


POOLED = (("t_pooler", "weight", 1), ("v_pooler", "weight", 1), ("t_pooler", "bias", 0))
