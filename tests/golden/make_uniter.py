"""Remake uniter.json: scores of toy and real regions and captions by the authors' code, with toy weights.

    PROBING_VLP_DATA=... PYTHONPATH=.:tests/helpers python tests/golden/make_uniter.py CHECKOUT

CHECKOUT: github.com/ChenRocks/UNITER at 1dbfa62b.  Beside this project's packages it takes pytorch-pretrained-bert
0.6.2 (the tokenizer; installing it with --no-deps is enough) and toolz, which also stands for cytoolz.  apex's
FusedLayerNorm is torch's LayerNorm; other modules that the authors import and this run has no use for are stood in for
by empty ones.

Run are: their tokenisation (prepro.py), their count of regions and their reader of features over npz files, their
batches of ragged pairs, their loader of checkpoints, and their two models, in float32 and float64.
"""

import importlib
import importlib.util
import io
import json
import sys
import tempfile
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import torch
from real_regions import real_pairs
from region_toys import CAPTIONS, PIECES, WIDTH, save_pieces, toy_regions, toy_weights

from probing_vlp.records import Regions

SIZES = {
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "initializer_range": 0.02,
    "max_position_embeddings": 160,
    "type_vocab_size": 2,
    "vocab_size": len(PIECES),
}
MODELS = {
    "small": {**SIZES, "hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 40},
    "heads of 64": {
        **SIZES,
        "hidden_size": 128,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 9,
    },
}


def stand_in() -> None:
    """Modules for what the authors import."""
    import toolz
    import toolz.sandbox

    sys.modules["cytoolz"] = toolz
    for name in ("apex", "apex.normalization", "lmdb", "lz4", "lz4.frame", "msgpack", "msgpack_numpy", "horovod"):
        sys.modules[name] = MagicMock()
    sys.modules["horovod.torch"] = MagicMock()
    layer_norm = types.ModuleType("apex.normalization.fused_layer_norm")
    layer_norm.FusedLayerNorm = torch.nn.LayerNorm  # type: ignore[attr-defined]
    sys.modules[layer_norm.__name__] = layer_norm
    found = importlib.util.find_spec("pytorch_pretrained_bert")
    assert found and found.submodule_search_locations
    package = types.ModuleType("pytorch_pretrained_bert")
    package.__path__ = list(found.submodule_search_locations)
    sys.modules |= {package.__name__: package, f"{package.__name__}.file_utils": MagicMock()}
    package.BertTokenizer = importlib.import_module(  # type: ignore[attr-defined]
        "pytorch_pretrained_bert.tokenization"
    ).BertTokenizer


def tokeniser(vocab: Path) -> Any:
    """Captions to ids, without [CLS] and [SEP]."""
    prepro = importlib.import_module("prepro")
    return prepro.bert_tokenize(prepro.BertTokenizer(str(vocab), do_lower_case=False))


def image_database(data: Any, images: Sequence[Regions]) -> Any:
    """The authors' reader over these regions, each in the npz bytes of a compressed database."""
    files, counts = {}, {}
    for image in images:
        sizes = np.array([image.width, image.height] * 2, np.float32)
        corners = image.boxes / sizes
        boxes = np.concatenate([corners, corners[:, 2:] - corners[:, :2]], 1)
        with io.BytesIO() as file:
            np.savez(file, features=image.features, norm_bb=boxes)
            files[str(image.image_id).encode()] = file.getvalue()
        confidence = np.ones(len(boxes)) if image.confidence is None else image.confidence[:, None]
        counts[str(image.image_id)] = int(data.compute_num_bb(confidence, 0.2, 10, 100))
    database = data.DetectFeatLmdb.__new__(data.DetectFeatLmdb)
    database.txn, database.env, database.name2nbb, database.compress = files, MagicMock(), counts, True
    return database


def batch_of(pairs: Sequence[tuple[Regions, Sequence[str]]], vocab: Path) -> Any:
    """Every image with each of its captions, as one ragged batch of the authors'."""
    data, itm = importlib.import_module("data.data"), importlib.import_module("data.itm")
    special = {token: i for i, token in enumerate(vocab.read_text().split("\n"))}
    ids = tokeniser(vocab)
    texts = type("Texts", (data.TxtTokLmdb,), {"__getitem__": lambda _, caption: {"input_ids": ids(caption)}})
    taken = itm.ItmRankDataset.__new__(itm.ItmRankDataset)
    taken.txt_db = texts.__new__(texts)
    taken.txt_db.cls_, taken.txt_db.sep = special["[CLS]"], special["[SEP]"]
    taken.img_db = image_database(data, [image for image, _ in pairs])
    names = [(caption, str(image.image_id)) for image, captions in pairs for caption in captions]
    return itm.itm_rank_collate([taken._collect_inputs(names)])


def shapes(model: Any) -> dict[str, list[int]]:
    """Names and shapes of a state dict."""
    return {name: list(weight.shape) for name, weight in model.state_dict().items()}


def tied(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights that the pre-training heads share with the body, under both names."""
    shared = {
        "cls.predictions.decoder.weight": weights["uniter.embeddings.word_embeddings.weight"],
        "feat_regress.weight": weights["uniter.img_embeddings.img_linear.weight"],
    }
    return {**weights, **shared}


def networks(config: Path) -> tuple[Any, Any, Any]:
    """The model of pre-training; of retrieval, fine-tuned; of retrieval, from the file of pre-training."""
    itm, pretrain = importlib.import_module("model.itm"), importlib.import_module("model.pretrain")
    settings = importlib.import_module("model.model").UniterConfig.from_json_file(str(config))
    first = pretrain.UniterForPretraining(settings, img_dim=WIDTH, img_label_dim=11)
    state = tied(toy_weights(first.state_dict()))
    first = first.from_pretrained(str(config), dict(state), img_dim=WIDTH, img_label_dim=11)
    tuned = itm.UniterForImageTextRetrieval(settings, img_dim=WIDTH)
    tuned = tuned.from_pretrained(str(config), toy_weights(tuned.state_dict()), img_dim=WIDTH)
    zero_shot = tuned.from_pretrained(str(config), dict(state), img_dim=WIDTH)
    zero_shot.init_output()
    return first, tuned, zero_shot


@torch.no_grad()
def scores(models: Sequence[Any], batch: Any, dtype: torch.dtype) -> dict[str, Any]:
    """Logits of both heads."""
    batch = {key: value.to(dtype) if key.startswith("img") else value for key, value in batch.items()}
    first, tuned, zero_shot = (model.to(dtype).eval() for model in models)
    return {
        "itm_output": first(batch, "itm", compute_loss=False)[0].tolist(),
        "rank_output": tuned(batch, compute_loss=False)[:, 0].tolist(),
        "zero_shot": zero_shot(batch, compute_loss=False)[:, 0].tolist(),
    }


def main(checkout: str) -> None:
    """Write uniter.json beside this file."""
    sys.path.insert(0, checkout)
    stand_in()
    pairs = {"toy": [(image, CAPTIONS) for image in toy_regions()], "real": real_pairs()}
    made: dict[str, Any] = {"models": {}}
    with tempfile.TemporaryDirectory() as name:
        vocab, config = save_pieces(Path(name)), Path(name) / "config.json"
        made["ids"] = [tokeniser(vocab)(caption) for caption in CAPTIONS]
        batches = {group: batch_of(items, vocab) for group, items in pairs.items()}
        for model, sizes in MODELS.items():
            config.write_text(json.dumps(sizes))
            models = networks(config)
            golden = {"config": sizes, "shapes": {"pretrained": shapes(models[0]), "retrieval": shapes(models[1])}}
            for dtype in (torch.float32, torch.float64):
                found = {group: scores(models, batch, dtype) for group, batch in batches.items()}
                golden[str(dtype).removeprefix("torch.")] = found
            made["models"][model] = golden
    Path(__file__).with_name("uniter.json").write_text(json.dumps(made) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
