"""The network of ViLBERT: a text BERT and an image BERT of other width, joined by co-attention layers.

B pairs, T tokens, R regions (the first is the whole image), H text units, V image units.  Parameters are named as in
the authors' files; there a 1 at the end of a name is the image, a 2 the text.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from probing_vlp.errors import UserError
from probing_vlp.scorers._bert import (
    EPSILON,
    BertLayer,
    Intermediate,
    Pooler,
    Residual,
    TextEmbeddings,
    additive_mask,
    attend,
    check_heads,
)


class Vilbert(nn.Module):
    """ViLBERT with its pre-training head of matching and, where `retrieval`, the one of the multi-task model."""

    def __init__(self, config: Mapping[str, Any], retrieval: bool = False, tasks: int = 0, task: int = 0) -> None:
        """`tasks`: rows of task embeddings, of which row `task` stands behind [CLS]; none where it is 0."""
        super().__init__()
        self.bert = Body(config, tasks)
        self.cls = Heads(config["bi_hidden_size"])
        self.vil_logit = nn.Linear(config["bi_hidden_size"], 1) if retrieval else None
        self.dropout = nn.Dropout(0.1)
        self.task = task if tasks else None
        self.fusion = config.get("fusion_method", "mul")
        if self.fusion not in ("mul", "sum"):
            raise UserError(f"fusion_method '{self.fusion}' is not one of mul, sum; check the model config")

    def embed_regions(self, features: Tensor, boxes: Tensor, there: Tensor) -> Tensor:
        """(B, R, V) from features (B, R, D) and positions (B, R, 5): all that is done before the first co-attention."""
        mask = additive_mask(there, features.dtype)
        return self.bert.encoder.image_first(self.bert.v_embeddings(features, boxes), mask)

    def match(self, ids: Tensor, words: Tensor, regions: Tensor, there: Tensor) -> dict[str, Tensor]:
        """Scores (B,) by name."""
        if self.task is not None:
            words = torch.cat([words[:, :1], words], 1)
        masks = additive_mask(words, regions.dtype), additive_mask(there, regions.dtype)
        text, image = self.bert.encoder(self.bert.embeddings(ids, self.task), regions, *masks)
        text, image = self.bert.t_pooler(text), self.bert.v_pooler(image)
        pooled = self.dropout(text * image if self.fusion == "mul" else text + image)
        logits = self.cls.bi_seq_relationship(pooled)
        scores = {"match": logits.softmax(-1)[:, 0], "logit": logits[:, 0]}
        if self.vil_logit is not None:
            scores["vil_logit"] = self.vil_logit(pooled)[:, 0]
            scores["vil_probability"] = scores["vil_logit"].sigmoid()
        return scores


class Heads(nn.Module):
    """Of what the authors' files call `cls`, the part that matches: class 0 is "match"."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.bi_seq_relationship = nn.Linear(size, 2)


class Body(nn.Module):
    """What the authors' files call `bert`."""

    def __init__(self, config: Mapping[str, Any], tasks: int) -> None:
        super().__init__()
        self.embeddings = TaskEmbeddings(config, tasks)
        self.v_embeddings = ImageEmbeddings(config["v_hidden_size"], config.get("v_feature_size", 2048))
        self.encoder = Encoder(config)
        self.t_pooler = Pooler(config["hidden_size"], config["bi_hidden_size"], torch.relu)
        self.v_pooler = Pooler(config["v_hidden_size"], config["bi_hidden_size"], torch.relu)


class TaskEmbeddings(TextEmbeddings):
    """Word embeddings with a task's own token at position 1, which has neither position nor type."""

    def __init__(self, config: Mapping[str, Any], tasks: int) -> None:
        positions, types = config.get("max_position_embeddings", 512), config.get("type_vocab_size", 2)
        super().__init__(config["vocab_size"], positions, types, config["hidden_size"])
        self.task_embeddings = nn.Embedding(tasks, config["hidden_size"]) if tasks else None

    def forward(self, ids: Tensor, task: int | None = None) -> Tensor:
        """(B, T, H), or (B, T + 1, H) with a task's token, from word ids (B, T)."""
        text = self.sum(ids)
        if self.task_embeddings is not None:
            token = self.task_embeddings.weight[task].expand(len(ids), 1, -1)
            text = torch.cat([text[:, :1], token, text[:, 1:]], 1)
        out: Tensor = self.dropout(self.LayerNorm(text))
        return out


class ImageEmbeddings(nn.Module):
    """LN(W f + P position)."""

    def __init__(self, size: int, feature_size: int) -> None:
        super().__init__()
        self.image_embeddings = nn.Linear(feature_size, size)
        self.image_location_embeddings = nn.Linear(5, size)
        self.LayerNorm = nn.LayerNorm(size, eps=EPSILON)
        self.dropout = nn.Dropout(0.1)

    def forward(self, features: Tensor, boxes: Tensor) -> Tensor:
        """(B, R, V) from features (B, R, D) and positions (B, R, 5)."""
        out: Tensor = self.dropout(
            self.LayerNorm(self.image_embeddings(features) + self.image_location_embeddings(boxes))
        )
        return out


class CoAttention(nn.Module):
    """Each side asks the other: both attentions read the layer's input."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        image, text, size = (config[key] for key in ("v_hidden_size", "hidden_size", "bi_hidden_size"))
        self.heads = check_heads(size, config["bi_num_attention_heads"])
        self.query1, self.key1, self.value1 = (nn.Linear(image, size) for _ in range(3))
        self.query2, self.key2, self.value2 = (nn.Linear(text, size) for _ in range(3))

    def forward(self, image: Tensor, image_mask: Tensor, text: Tensor, text_mask: Tensor) -> tuple[Tensor, Tensor]:
        """What the image finds in the text (B, R, size), and the text in the image (B, T, size)."""
        of_text = attend(self.query1(image), self.key2(text), self.value2(text), text_mask, self.heads)
        of_image = attend(self.query2(text), self.key1(image), self.value1(image), image_mask, self.heads)
        return of_text, of_image


class CoOutput(nn.Module):
    """LayerNorm(dense(found) + input) of each side."""

    def __init__(self, size: int, image: int, text: int) -> None:
        super().__init__()
        self.dense1, self.LayerNorm1 = nn.Linear(size, image), nn.LayerNorm(image, eps=EPSILON)
        self.dense2, self.LayerNorm2 = nn.Linear(size, text), nn.LayerNorm(text, eps=EPSILON)
        self.dropout = nn.Dropout(0.1)

    def forward(self, of_text: Tensor, image: Tensor, of_image: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        """Image (B, R, V) and text (B, T, H)."""
        image = self.LayerNorm1(self.dropout(self.dense1(of_text)) + image)
        text = self.LayerNorm2(self.dropout(self.dense2(of_image)) + text)
        return image, text


class CoLayer(nn.Module):
    """Co-attention, then a feed-forward part a side."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        image, wide_image = config["v_hidden_size"], config["v_intermediate_size"]
        text, wide_text = config["hidden_size"], config["intermediate_size"]
        self.biattention = CoAttention(config)
        self.biOutput = CoOutput(config["bi_hidden_size"], image, text)
        self.v_intermediate = Intermediate(image, wide_image, config.get("v_hidden_act", "gelu"))
        self.v_output = Residual(wide_image, image)
        self.t_intermediate = Intermediate(text, wide_text, config.get("hidden_act", "gelu"))
        self.t_output = Residual(wide_text, text)

    def forward(self, image: Tensor, image_mask: Tensor, text: Tensor, text_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Image (B, R, V) and text (B, T, H)."""
        of_text, of_image = self.biattention(image, image_mask, text, text_mask)
        image, text = self.biOutput(of_text, image, of_image, text)
        return self.v_output(self.v_intermediate(image), image), self.t_output(self.t_intermediate(text), text)


class Encoder(nn.Module):
    """Before co-attention i, the text's layers up to `t_biattention_id[i]` and the image's up to `v_biattention_id[i]`;
    the rest of both after the last."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        text, heads, wide = (config[k] for k in ("hidden_size", "num_attention_heads", "intermediate_size"))
        image, v_heads, v_wide = (config[f"v_{k}"] for k in ("hidden_size", "num_attention_heads", "intermediate_size"))
        act, v_act = config.get("hidden_act", "gelu"), config.get("v_hidden_act", "gelu")
        layers, v_layers = range(config["num_hidden_layers"]), range(config["v_num_hidden_layers"])
        self.v_stops, self.t_stops = stops(config)
        self.layer = nn.ModuleList([BertLayer(text, heads, wide, act) for _ in layers])
        self.v_layer = nn.ModuleList([BertLayer(image, v_heads, v_wide, v_act) for _ in v_layers])
        self.c_layer = nn.ModuleList([CoLayer(config) for _ in self.v_stops])

    def image_first(self, image: Tensor, mask: Tensor) -> Tensor:
        """The image's layers before the first co-attention: (B, R, V) to the same."""
        return through(self.v_layer[: self.v_stops[0]], image, mask)

    def forward(self, text: Tensor, image: Tensor, text_mask: Tensor, image_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Text (B, T, H) and image (B, R, V), which has been through `image_first`."""
        t_start, v_start = 0, self.v_stops[0]
        for co_layer, t_stop, v_stop in zip(self.c_layer, self.t_stops, self.v_stops, strict=True):
            text = through(self.layer[t_start:t_stop], text, text_mask)
            image = through(self.v_layer[v_start:v_stop], image, image_mask)
            image, text = co_layer(image, image_mask, text, text_mask)
            t_start, v_start = t_stop, v_stop
        return through(self.layer[t_start:], text, text_mask), through(self.v_layer[v_start:], image, image_mask)


def through(layers: Any, x: Tensor, mask: Tensor) -> Tensor:
    """x (B, T, H) through layers of that width."""
    for layer in layers:
        x = layer(x, mask)
    return x


def stops(config: Mapping[str, Any]) -> tuple[list[int], list[int]]:
    """How many layers of the image and of the text come before each co-attention; UserError unless they can."""
    found = []
    for key, layers in (("v_biattention_id", "v_num_hidden_layers"), ("t_biattention_id", "num_hidden_layers")):
        ids = config[key]
        if not isinstance(ids, list) or any(type(number) is not int for number in ids):
            raise UserError(f"{key} {ids!r}: must be a list of whole numbers")
        if not ids or sorted(ids) != ids or ids[0] < 0 or ids[-1] >= config[layers]:
            raise UserError(f"{key} {ids}: must ascend from 0 or more to less than {layers} {config[layers]}")
        found.append(list(ids))
    if len(found[0]) != len(found[1]):
        raise UserError(f"v_biattention_id {found[0]} and t_biattention_id {found[1]}: must be as many")
    return found[0], found[1]
