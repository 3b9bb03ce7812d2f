"""Remake rosita.json: scores of toy and real regions and captions by the authors' code, with toy weights.

    PROBING_VLP_DATA=... PYTHONPATH=.:tests/helpers python tests/golden/make_rosita.py CHECKOUT

CHECKOUT: github.com/MILVLG/rosita at cbb82143.  Nothing is stood in for.

Run are: their `Cfg` with a YAML over it, their reader of npz files, their cleaning, tokenisation and padding of
captions, their padding and cutting of regions, and their networks of retrieval (scores) and of pre-training (names of
weights), in float32 and float64.
"""

import importlib
import json
import sys
import tempfile
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from real_regions import real_pairs
from region_toys import CAPTIONS, PIECES, save_pieces, toy_regions, toy_weights

from probing_vlp.records import Regions

Pairs = Sequence[tuple[Regions, Sequence[str]]]
SMALL = {"LAYER": 3, "HSIZE": 24, "HHEAD": 4, "HBASE": 6, "HFF": 40, "POS_EMB_IN_SIZE": 50, "TYPE_EMB_IN_SIZE": 2}
MODELS: dict[str, dict[str, Any]] = {
    "small": {"VERSION": "toy", **SMALL},
    "other limits": {"VERSION": "toy", **SMALL, "PAD_MAX": {"text": 20, "image": 40}},
    "heads of 64": {"VERSION": "toy", "LAYER": 1, "HSIZE": 128, "HHEAD": 2, "HFF": 9},
}


def authors_config(path: Path) -> Any:
    """Their defaults with the YAML over them."""
    cfg = importlib.import_module("config.cfg").Cfg(1, Namespace(NODE_SIZE=1))
    cfg.add_args(yaml.safe_load(path.read_text()))
    cfg.IMGFEAT_FORMAT = "npz"
    return cfg


def data_set(cfg: Any, vocab: Path, folder: Path, images: Sequence[Regions]) -> Any:
    """Their data set over npz files of these regions, without the annotation files that its constructor reads."""
    module = importlib.import_module("data.load_data_itr")
    data = module.DataSet.__new__(module.DataSet)
    data._DataSet__C, data.use_tsv = cfg, False
    data.tokenizer = module.BertTokenizer(data.load_vocab(str(vocab)))
    cfg.IMGFEAT_PATHMAP = {"toy": str(folder)}
    (folder / "npz_files").mkdir(exist_ok=True)
    for image in images:
        sizes = {"image_h": image.height, "image_w": image.width}
        np.savez(folder / "npz_files" / f"{image.image_id}.npz", x=image.features, boxes=image.boxes, **sizes)
    return data


def batch_of(data: Any, pairs: Pairs) -> tuple[torch.Tensor, ...]:
    """Every image with each of its captions: text ids and mask, features, mask and boxes."""
    rows = [
        (
            *data._DataSet__getitem__text({"text": caption}),
            *data.getitem__img({"img_src": "toy", "img_file": str(image.image_id)}),
        )
        for image, captions in pairs
        for caption in captions
    ]
    return tuple(torch.stack(column) for column in zip(*rows, strict=True))


def shapes(net: Any) -> dict[str, dict[str, list[int]]]:
    """Names and shapes of the state dict of each part."""
    parts = dict(net.named_children())
    parts.pop("mm_qa_head", None)  # is in no file
    return {
        part: {name: list(weight.shape) for name, weight in module.state_dict().items()}
        for part, module in parts.items()
    }


def both_shapes(cfg: Any) -> dict[str, Any]:
    """Those of the files of retrieval and of pre-training."""
    itr = importlib.import_module("modeling.finetune_tasks.itr")
    pretrain = importlib.import_module("modeling.pretrain_tasks.rosita")
    sizes = {"vocab_size": len(PIECES), "ans_size": 3}
    return {"retrieval": shapes(itr.Net(cfg, sizes)), "pretrained": shapes(pretrain.Net(cfg, sizes))}


@torch.no_grad()
def logits(cfg: Any, batch: tuple[torch.Tensor, ...], dtype: torch.dtype) -> list[list[float]]:
    """(pairs, 2) of the network of retrieval."""
    net = importlib.import_module("modeling.finetune_tasks.itr").Net(cfg, {"vocab_size": len(PIECES)})
    net.load_state_dict(toy_weights(net.state_dict()))
    numbers: list[list[float]] = (
        net.to(dtype).eval()(tuple(x.to(dtype) if x.is_floating_point() else x for x in batch))[-1].tolist()
    )
    return numbers


def main(checkout: str) -> None:
    """Write rosita.json beside this file."""
    sys.path.insert(0, f"{checkout}/rosita")
    pairs = {"toy": [(image, CAPTIONS) for image in toy_regions()], "real": real_pairs()}
    made: dict[str, Any] = {"models": {}}
    with tempfile.TemporaryDirectory() as name:
        vocab, config = save_pieces(Path(name)), Path(name) / "toy.yaml"
        for model, sizes in MODELS.items():
            config.write_text(yaml.safe_dump(sizes))
            cfg = authors_config(config)
            data = data_set(cfg, vocab, Path(name), [image for items in pairs.values() for image, _ in items])
            batches = {group: batch_of(data, items) for group, items in pairs.items()}
            texts, masks = (column[: len(CAPTIONS)] for column in batches["toy"][:2])
            golden = {"config": sizes, "shapes": both_shapes(cfg)}
            golden["ids"] = [row[mask.bool()].tolist() for row, mask in zip(texts, masks, strict=True)]
            for dtype in (torch.float32, torch.float64):
                found = {group: logits(cfg, batch, dtype) for group, batch in batches.items()}
                golden[str(dtype).removeprefix("torch.")] = found
            made["models"][model] = golden
    Path(__file__).with_name("rosita.json").write_text(json.dumps(made) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
