"""Remake vilbert.json: scores of toy and real regions and captions by the authors' code, with toy weights.

    PROBING_VLP_DATA=... PYTHONPATH=.:tests/helpers python tests/golden/make_vilbert.py CHECKOUT

CHECKOUT: github.com/facebookresearch/vilbert-multi-task at f22b84a9.  Beside this project's packages it takes lmdb and
pytorch-transformers 1.1.0 (the tokenizer; installing it with --no-deps is enough).  Modules that the authors import
and this run has no use for are stood in for by empty ones.

Run are: their reader of features over an LMDB in their format, their tokenizer and truncation, their loader of
checkpoints, their two models, in float32 and float64.  Pairs go one at a time: in a batch of even size the multi-task
model overwrites the logits of alignment.
"""

import importlib.util
import json
import pickle
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

import lmdb
import torch
from real_regions import real_pairs
from region_toys import CAPTIONS, PIECES, save_pieces, toy_regions, toy_weights

from probing_vlp.records import Regions

CONFIG = {
    "attention_probs_dropout_prob": 0.1,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "hidden_size": 24,
    "initializer_range": 0.02,
    "intermediate_size": 40,
    "max_position_embeddings": 32,
    "num_attention_heads": 3,
    "num_hidden_layers": 5,
    "type_vocab_size": 2,
    "v_feature_size": 2048,
    "v_target_size": 21,
    "v_hidden_size": 20,
    "v_num_hidden_layers": 4,
    "v_num_attention_heads": 2,
    "v_intermediate_size": 28,
    "bi_hidden_size": 36,
    "bi_num_attention_heads": 6,
    "bi_intermediate_size": 1024,
    "bi_attention_type": 1,
    "v_attention_probs_dropout_prob": 0.1,
    "v_hidden_act": "gelu",
    "v_hidden_dropout_prob": 0.1,
    "v_initializer_range": 0.02,
    "v_biattention_id": [0, 2],
    "t_biattention_id": [2, 4],
    "pooling_method": "mul",
}
LATE = {"v_biattention_id": [1, 3], "t_biattention_id": [1, 3]}
CASES: dict[str, dict[str, Any]] = {
    "pretrained": {"config": {}, "task": None},
    "multitask-7": {"config": {"task_specific_tokens": True}, "task": 7},
    "multitask-8": {"config": {"task_specific_tokens": True, **LATE}, "task": 8},
    "multitask": {"config": {"task_specific_tokens": False, "fusion_method": "sum", **LATE}, "task": None},
}
REGIONS, LENGTH = 101, 30


class Anything(types.ModuleType):
    """A module that has whatever is imported from it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (Exception,), {})


def stand_in(*names: str) -> None:
    """Empty modules of these names."""
    sys.modules.update({name: Anything(name) for name in names})


def load(name: str, path: Path) -> Any:
    """One file as a module, without the package around it."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tokenizer(vocab: Path) -> Any:
    """The authors' tokenizer, a file of pytorch_transformers."""
    found = importlib.util.find_spec("pytorch_transformers")
    assert found and found.submodule_search_locations
    package = types.ModuleType("pytorch_transformers")
    package.__path__ = list(found.submodule_search_locations)
    sys.modules["pytorch_transformers"] = package
    from pytorch_transformers.tokenization_bert import BertTokenizer  # type: ignore[import-not-found]

    return BertTokenizer(str(vocab), do_lower_case=True)


def write_features(folder: Path, images: list[Regions]) -> Path:
    """Regions as the authors keep theirs."""
    with lmdb.open(str(folder / "features.lmdb"), map_size=1 << 26) as env, env.begin(write=True) as transaction:
        for image in images:
            item = {"image_id": image.image_id, "image_h": image.height, "image_w": image.width}
            item |= {"num_boxes": len(image.boxes), "boxes": image.boxes, "features": image.features}
            transaction.put(str(image.image_id).encode(), pickle.dumps(item))
        transaction.put(b"keys", pickle.dumps([str(image.image_id).encode() for image in images]))
    return folder / "features.lmdb"


def image_inputs(reader: Any, image_id: int) -> tuple[torch.Tensor, ...]:
    """Features, positions and mask of an image, cut and filled up to REGIONS."""
    features, count, boxes, _ = reader[image_id]
    count = min(int(count), REGIONS)
    filled = torch.zeros(1, REGIONS, features.shape[1]), torch.zeros(1, REGIONS, 5)
    filled[0][0, :count], filled[1][0, :count] = torch.tensor(features[:count]), torch.tensor(boxes[:count]).float()
    return *filled, (torch.arange(REGIONS) < count).long()[None]


def text_inputs(tokenizer: Any, caption: str) -> tuple[torch.Tensor, ...]:
    """Ids, segments and mask of a caption, cut and filled up to LENGTH."""
    ids = tokenizer.add_special_tokens_single_sentence(tokenizer.encode(caption)[: LENGTH - 2])
    fill = [0] * (LENGTH - len(ids))
    return tuple(torch.tensor([row]) for row in (ids + fill, [0] * LENGTH, [1] * len(ids) + fill))


def scores(
    model: Any, task: int | None, images: list[Any], texts: list[list[Any]], dtype: torch.dtype
) -> dict[str, Any]:
    """Scores by name, an image a row and each of its captions a column."""
    found: dict[str, list[list[float]]] = {"match": [], "logit": [], "vil_logit": []}
    for (features, positions, regions), captions in zip(images, texts, strict=True):
        rows: dict[str, list[float]] = {key: [] for key in found}
        for ids, segments, words in captions:
            inputs = (ids, features.to(dtype), positions.to(dtype), segments, words, regions)
            if type(model).__name__ == "BertForMultiModalPreTraining":
                logits = model(*inputs)[2]
            else:
                out = model(*inputs, task_ids=None if task is None else torch.tensor([[task]]))
                logits = out[3]
                rows["vil_logit"].append(out[2].item())
            rows["match"].append(logits.softmax(1)[0, 0].item())
            rows["logit"].append(logits[0, 0].item())
        for key, row in rows.items():
            found[key].append(row)
    return {key: rows for key, rows in found.items() if rows[0]}


def make(checkout: Path, folder: Path) -> dict[str, Any]:
    """All that vilbert.json holds."""
    stand_in("boto3", "botocore", "botocore.exceptions", "tensorboardX", "torch._six", "h5py", "sacremoses")
    sys.path.insert(0, str(checkout))
    from vilbert import vilbert  # type: ignore[import-not-found]

    pieces = tokenizer(save_pieces(folder))
    pairs = {"toy": [(image, CAPTIONS) for image in toy_regions()], "real": real_pairs()}
    features = write_features(folder, [image for each in pairs.values() for image, _ in each])
    reader = load("reader", checkout / "vilbert/datasets/_image_features_reader.py").ImageFeaturesH5Reader(
        str(features)
    )
    images = {key: [image_inputs(reader, image.image_id) for image, _ in each] for key, each in pairs.items()}
    texts = {key: [[text_inputs(pieces, c) for c in captions] for _, captions in each] for key, each in pairs.items()}
    made: dict[str, Any] = {}
    for name, case in CASES.items():
        config = {**CONFIG, "vocab_size": len(PIECES), **case["config"]}
        settings = vilbert.BertConfig.from_dict(config)
        kind = vilbert.BertForMultiModalPreTraining if name == "pretrained" else vilbert.VILBertForVLTasks
        more: dict[str, Any] = {} if name == "pretrained" else {"num_labels": 1}
        weights = toy_weights(kind(settings, **more).state_dict())
        weights["cls.predictions.decoder.weight"] = weights["bert.embeddings.word_embeddings.weight"]
        torch.save(weights, folder / "weights.bin")
        shapes = {key: list(value.shape) for key, value in weights.items()}
        made[name] = {"config": config, "task": case["task"], "shapes": shapes}
        for dtype in (torch.float32, torch.float64):
            model = kind.from_pretrained(str(folder / "weights.bin"), config=settings, **more).to(dtype)
            with torch.no_grad():
                made[name][str(dtype).removeprefix("torch.")] = {
                    key: scores(model, case["task"], images[key], texts[key], dtype) for key in pairs
                }
    return made


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        golden = make(Path(sys.argv[1]), Path(scratch))
    Path(__file__).with_name("vilbert.json").write_text(json.dumps(golden) + "\n")
