"""Remake lxmert.json: scores of toy and real regions and captions by the authors' code, with toy weights.

    PROBING_VLP_DATA=... PYTHONPATH=.:tests/helpers python tests/golden/make_lxmert.py CHECKOUT

CHECKOUT: github.com/airsplay/lxmert at 0db1182b.  Modules that the authors import and this run has no use for are stood
in for by empty ones.

Run are: their reader of features over a TSV in their format, their data set (which normalises the boxes), their
tokenizer and truncation, their pre-training model, in float32 and float64.  The model returns losses alone, so the
logits of its matching head are caught on their way; its loss for the label "matched" must agree with them.
"""

import base64
import json
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from make_vilbert import stand_in
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
    "max_position_embeddings": 22,
    "num_attention_heads": 3,
    "num_hidden_layers": 12,
    "type_vocab_size": 2,
    "vocab_size": len(PIECES),
}
LAYERS = {"llayers": 3, "xlayers": 2, "rlayers": 1}
LENGTH = 20


def write_features(path: Path, images: list[Regions]) -> Path:
    """Regions as the authors keep theirs."""
    lines = []
    for image in images:
        count = len(image.boxes)
        arrays = [bytes(8 * count), bytes(4 * count), bytes(8 * count), bytes(4 * count)]
        arrays += [image.boxes.tobytes(), image.features.tobytes()]
        coded = [base64.b64encode(array).decode() for array in arrays]
        sizes = [str(image.image_id), str(image.height), str(image.width)]
        lines.append("\t".join([*sizes, *coded[:4], str(count), *coded[4:]]))
    path.write_text("\n".join(lines) + "\n")
    return path


def examples(path: Path, pairs: list[tuple[Regions, tuple[str, ...]]]) -> Any:
    """The authors' data set of every image with its captions, image by image."""
    from pretrain import lxmert_data  # type: ignore[import-not-found]

    lxmert_data.Split2ImgFeatPath["toy"] = str(write_features(path, [image for image, _ in pairs]))
    data = [{"img_id": str(i.image_id), "sentf": {"toy": list(captions)}, "labelf": {}} for i, captions in pairs]
    return lxmert_data.LXMERTTorchDataset(SimpleNamespace(sources=["toy"], data=data))


def logits_of(model: Any, example: Any, tokenizer: Any, dtype: torch.dtype) -> torch.Tensor:
    """(2,) logits of the matching head for a pair."""
    from lxrt.entry import convert_sents_to_features  # type: ignore[import-not-found]

    text = convert_sents_to_features([example.sent], LENGTH, tokenizer)[0]
    features, boxes = (torch.from_numpy(array.copy())[None].to(dtype) for array in example.visual_feats)
    rows = (torch.tensor([row]) for row in (text.input_ids, text.segment_ids, text.input_mask))
    caught: list[torch.Tensor] = []
    hook = model.cls.seq_relationship.register_forward_hook(lambda module, given, out: caught.append(out[0]))
    loss, *_ = model(*rows, visual_feats=features, pos=boxes, matched_label=torch.tensor([1]))
    hook.remove()
    torch.testing.assert_close(loss, -caught[0].log_softmax(0)[1])
    return caught[0]


def make(checkout: Path, folder: Path) -> dict[str, Any]:
    """All that lxmert.json holds."""
    stand_in("boto3", "botocore", "botocore.exceptions")
    sys.path.insert(0, str(checkout / "src"))
    sys.argv = sys.argv[:1]  # their modules read the command line
    from lxrt import entry, modeling
    from lxrt.tokenization import BertTokenizer  # type: ignore[import-not-found]

    entry.set_visual_config(SimpleNamespace(**LAYERS))
    tokenizer = BertTokenizer(str(save_pieces(folder)), do_lower_case=True)
    pairs = {"toy": [(image, CAPTIONS) for image in toy_regions()], "real": real_pairs()}
    sets = {key: examples(folder / "features.tsv", each) for key, each in pairs.items()}
    config = modeling.BertConfig.from_dict(CONFIG)
    model = modeling.LXRTPretraining(config, visual_losses="obj,attr,feat", num_answers=5).eval()
    weights = toy_weights(model.state_dict())
    weights["cls.predictions.decoder.weight"] = weights["bert.embeddings.word_embeddings.weight"]
    model.load_state_dict(weights)
    made: dict[str, Any] = {"config": CONFIG, "shapes": {key: list(value.shape) for key, value in weights.items()}}
    for dtype in (torch.float32, torch.float64):
        model.to(dtype)
        made[str(dtype).removeprefix("torch.")] = {}
        for key, examples_ in sets.items():
            with torch.no_grad():
                flat = [logits_of(model, examples_[i], tokenizer, dtype) for i in range(len(examples_))]
            logits = torch.stack(flat).reshape(len(pairs[key]), -1, 2)
            scores = {"match": logits.softmax(-1)[..., 1].tolist(), "logit": logits[..., 1].tolist()}
            made[str(dtype).removeprefix("torch.")][key] = scores
    return made


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        golden = make(Path(sys.argv[1]), Path(scratch))
    Path(__file__).with_name("lxmert.json").write_text(json.dumps(golden) + "\n")
