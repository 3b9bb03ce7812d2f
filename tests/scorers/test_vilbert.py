"""ViLBERT's scores are its authors' (tests/golden/make_vilbert.py ran their code), and small mistakes would show."""

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from real_regions import needs_data, real_pairs
from region_toys import CAPTIONS, PIECES, score_all, toy_regions, toy_weights
from torch import Tensor
from torch.nn import functional
from two_streams import (
    TOLERANCE,
    Change,
    State,
    change_inputs,
    change_regions,
    golden_state,
    save_model,
    wider_epsilon,
    without,
)
from two_streams import VILBERT as GOLDEN

from probing_vlp.errors import UserError
from probing_vlp.scorers import _bert, _vilbert, load_scorer

CASES = list(GOLDEN)
COUNTS = {"layer": 12, "v_layer": 6, "c_layer": 6}
"""Layers of the published file."""
IMAGES = toy_regions()
Load = Callable[..., Any]


@pytest.fixture(scope="module")
def states() -> dict[str, State]:
    return {case: golden_state(GOLDEN[case]["shapes"]) for case in CASES}


@pytest.fixture
def load(states: dict[str, State], tmp_path: Path) -> Load:
    """A scorer of a golden case, through files in the authors' formats; `config` and `state` override the case's."""

    def load(case: str, config: dict[str, Any] | None = None, state: Any = None, **options: Any) -> Any:
        config = GOLDEN[case]["config"] if config is None else config
        files = save_model(tmp_path, "model.bin", states[case] if state is None else state, config)
        if GOLDEN[case]["task"] is not None:
            options.setdefault("task", GOLDEN[case]["task"])
        return load_scorer("vilbert", **files, device="cpu", **options)

    return load


def matrix(scorer: Any) -> np.ndarray:
    """Scores of all images with all captions, in one batch: (images, captions)."""
    return score_all(scorer, IMAGES).numpy()


def error(scorer: Any, case: str, dtype: str = "float32", score: str = "match") -> float:
    """The largest difference from the authors' scores."""
    return float(np.abs(matrix(scorer) - GOLDEN[case][dtype]["toy"][score]).max())


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(
    ("case", "score"), [(case, score) for case in CASES for score in GOLDEN[case]["float32"]["toy"]]
)
def test_scores_are_the_authors(case: str, score: str, dtype: str, load: Load) -> None:
    assert error(load(case, dtype=dtype, score=score), case, dtype, score) < TOLERANCE[dtype]


@pytest.mark.parametrize("case", CASES)
def test_golden_scores_differ_between_pairs(case: str) -> None:
    scores = np.array(GOLDEN[case]["float64"]["toy"]["match"])
    assert scores.std(axis=0).min() > 1e-3
    assert scores.std(axis=1).min() > 1e-3


@needs_data
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("case", CASES)
def test_scores_of_real_features_are_the_authors(case: str, dtype: str, load: Load) -> None:
    images, captions = zip(*real_pairs(), strict=True)
    scorer = load(case, dtype=dtype)
    scores = scorer.score(
        scorer.encode(images).select([i // 5 for i in range(40)]), [c for five in captions for c in five]
    )
    assert scores.tolist() == pytest.approx(np.ravel(GOLDEN[case][dtype]["real"]["match"]), abs=TOLERANCE[dtype])


def test_the_other_names_of_a_score(load: Load) -> None:
    logits = matrix(load("multitask-7", score="vil_logit", dtype="float64"))
    assert matrix(load("multitask-7", score="vil_probability")) == pytest.approx(1 / (1 + np.exp(-logits)), abs=1e-5)
    units = [load("multitask-7", score=s).unit for s in ("match", "logit", "vil_logit", "vil_probability")]
    assert units == ["probability", "logit", "logit", "probability"]


def test_every_weight_matters(load: Load) -> None:
    """But for biases of keys, which add the same to all logits of a query."""
    scorer = load("multitask-7", dtype="float64")
    images, captions = IMAGES[:2], [CAPTIONS[1], CAPTIONS[3]]
    before = scorer.score(scorer.encode(images), captions)
    unseen = []
    for name, weight in scorer.network.named_parameters():
        kept = weight.data.clone()
        weight.data.copy_(torch.zeros_like(weight) if name.endswith("bias") else weight.flip(-1))
        after = scorer.score(scorer.encode(images), captions)
        weight.data.copy_(kept)
        if (after - before).abs().max() < 2 * TOLERANCE["float64"] and not name.endswith(
            ("key.bias", "key1.bias", "key2.bias")
        ):
            unseen.append(name)
    assert [name for name in unseen if not name.startswith("vil_logit")] == []


def tanh_gelu(patch: pytest.MonkeyPatch, scorer: Any) -> None:
    for module in scorer.network.modules():
        if isinstance(module, _bert.Intermediate):
            patch.setattr(module, "act", partial(functional.gelu, approximate="tanh"))


def other_class(patch: pytest.MonkeyPatch, scorer: Any) -> None:
    head = scorer.network.cls.bi_seq_relationship
    head.weight.data, head.bias.data = head.weight.flip(0), head.bias.flip(0)


def tanh_pooler(patch: pytest.MonkeyPatch, scorer: Any) -> None:
    patch.setattr(scorer.network.bert.t_pooler, "act", torch.tanh)


def ask_oneself(patch: pytest.MonkeyPatch, scorer: Any) -> None:
    """Queries and keys of one side."""

    def forward(self: Any, image: Tensor, image_mask: Tensor, text: Tensor, text_mask: Tensor) -> tuple[Tensor, Tensor]:
        of_image = _bert.attend(self.query1(image), self.key1(image), self.value1(image), image_mask, self.heads)
        of_text = _bert.attend(self.query2(text), self.key2(text), self.value2(text), text_mask, self.heads)
        return of_image, of_text

    patch.setattr(_vilbert.CoAttention, "forward", forward)


def ask_one_after_the_other(patch: pytest.MonkeyPatch, scorer: Any) -> None:
    """The text asks the image as it is after it has asked the text."""
    read = _vilbert.CoAttention.forward

    def forward(self: Any, image: Tensor, image_mask: Tensor, text: Tensor, text_mask: Tensor) -> tuple[Tensor, Tensor]:
        of_text, _ = read(self, image, image_mask, text, text_mask)
        output = next(layer.biOutput for layer in scorer.network.bert.encoder.c_layer if layer.biattention is self)
        changed = output.LayerNorm1(output.dense1(of_text) + image)
        return of_text, read(self, changed, image_mask, text, text_mask)[1]

    patch.setattr(_vilbert.CoAttention, "forward", forward)


def swap_masks(patch: pytest.MonkeyPatch, scorer: Any) -> None:
    """No mask at all, as shapes forbid the other side's."""
    patch.setattr(_vilbert, "additive_mask", lambda there, dtype: torch.zeros(len(there), 1, 1, 1, dtype=dtype))


def text_one_layer_early(patch: pytest.MonkeyPatch, scorer: Any) -> None:
    encoder = scorer.network.bert.encoder
    patch.setattr(encoder, "t_stops", [stop - 1 for stop in encoder.t_stops])


def image_layer_before_its_co_attention(patch: pytest.MonkeyPatch, scorer: Any) -> None:
    encoder = scorer.network.bert.encoder
    patch.setattr(encoder, "v_stops", [stop + 1 for stop in encoder.v_stops])


def other_task(patch: pytest.MonkeyPatch, scorer: Any) -> None:
    patch.setattr(scorer.network, "task", 8)


def task_with_a_position(patch: pytest.MonkeyPatch, scorer: Any) -> None:
    """The words after the task's token one position further on."""
    read = _bert.TextEmbeddings.sum

    def further(self: Any, ids: Tensor) -> Tensor:
        return torch.cat([read(self, ids)[:, :1], read(self, torch.cat([ids[:, :1], ids], 1))[:, 2:]], 1)

    patch.setattr(_bert.TextEmbeddings, "sum", further)


def one_piece_more(patch: pytest.MonkeyPatch, scorer: Any) -> None:
    patch.setattr(scorer, "ids", lambda caption: scorer._pieces(caption, 31))


def no_product(patch: pytest.MonkeyPatch, scorer: Any) -> None:
    patch.setattr(scorer.network, "fusion", "sum")


CHANGES: dict[str, Change] = {
    "tanh for erf in GELU": tanh_gelu,
    "LayerNorm's epsilon 1e-5": wider_epsilon,
    "class 1": other_class,
    "tanh in a pooler": tanh_pooler,
    "sum of the poolers": no_product,
    "each side asks itself": ask_oneself,
    "the text asks a changed image": ask_one_after_the_other,
    "no masks": swap_masks,
    "text layers one early": text_one_layer_early,
    "image layers one late": image_layer_before_its_co_attention,
    "task 8 for 7": other_task,
    "positions count the task's token": task_with_a_position,
    "31 pieces": one_piece_more,
    "width and height swapped": change_regions(lambda i: dataclasses.replace(i, width=i.height, height=i.width)),
    "mean of the first 100": change_regions(
        lambda i: dataclasses.replace(i, features=i.features[:100], boxes=i.boxes[:100])
    ),
    "no whole image": change_inputs(lambda features, boxes: (features[1:], boxes[1:])),
    "whole image last": change_inputs(lambda features, boxes: (np.roll(features, -1, 0), np.roll(boxes, -1, 0))),
    "area of the first 0": change_inputs(lambda features, boxes: (features, boxes * np.float32([1, 1, 1, 1, 0]))),
    "100 with the whole image": change_inputs(lambda features, boxes: (features[:100], boxes[:100])),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_mistake_would_show(change: str, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    scorer = load("multitask-7")
    CHANGES[change](monkeypatch, scorer)
    assert error(scorer, "multitask-7") > 2 * TOLERANCE["float32"]


def test_task_tokens_where_the_config_is_silent_like_the_published_one(load: Load) -> None:
    """The file's embeddings decide."""
    for case in ("pretrained", "multitask-7"):
        config = {key: value for key, value in GOLDEN[case]["config"].items() if key != "task_specific_tokens"}
        assert error(load(case, config), case) < 2e-5


def test_old_names_and_data_parallel_names(load: Load, states: dict[str, State]) -> None:
    old = {
        f"module.{key}".replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): value
        for key, value in states["pretrained"].items()
    }
    assert error(load("pretrained", state=old), "pretrained") < 2e-5


def test_sizes_read_off_a_file_of_published_proportions(tmp_path: Path, load: Load) -> None:
    """Heads 64 and 128 wide, the last co-attention before the last text layer: with and without a config alike."""
    config = {
        **GOLDEN["pretrained"]["config"],
        **{"hidden_size": 128, "num_attention_heads": 2, "num_hidden_layers": 3, "v_hidden_size": 256},
        **{"v_num_attention_heads": 2, "v_num_hidden_layers": 2, "bi_hidden_size": 256, "bi_num_attention_heads": 2},
        **{"v_biattention_id": [0, 1], "t_biattention_id": [1, 2]},
    }
    state = toy_weights(_vilbert.Vilbert(config).state_dict())
    given = matrix(load("pretrained", config, state))
    files = {"checkpoint": tmp_path / "model.bin", "vocab": tmp_path / "vocab.txt"}
    assert np.array_equal(matrix(load_scorer("vilbert", **files, device="cpu")), given)


def test_missing_layers_without_a_config(tmp_path: Path, load: Load) -> None:
    """As many image layers as co-attentions, and in a file as wide as the published ones as many as these have."""
    names = [f"bert.encoder.{kind}.{i}.a" for kind, count in COUNTS.items() for i in range(count)]
    state = {name: torch.zeros(1) for name in names} | {"bert.t_pooler.dense.weight": torch.zeros(1, 8)}
    for width, gone, lacks in (
        (8, {"c_layer.5"}, "c_layer.5, of 6"),
        (8, {"v_layer.5"}, "v_layer.5, of 6"),
        (8, {"layer.3"}, "layer.3;"),
        (768, {"c_layer.5", "v_layer.5"}, "v_layer.5, of 6"),
        (768, {"layer.11"}, "layer.11, of 12 in the published model"),
        (1024, {}, "layer.12, of 24 in the published model"),
    ):
        left = without(state, *(f"bert.encoder.{layer}." for layer in gone))
        torch.save(left | {"bert.t_pooler.dense.weight": torch.zeros(1, width)}, tmp_path / "model.bin")
        with pytest.raises(UserError, match=f"model.bin: has no layer bert.encoder.{lacks}"):
            load_scorer("vilbert", tmp_path / "model.bin", vocab=tmp_path / "vocab.txt")


def test_one_missing_tensor_is_named(load: Load, states: dict[str, State]) -> None:
    own = load("multitask-7").network.state_dict()
    for key in ("bert.encoder.c_layer.1.biattention.key2.bias", "vil_logit.weight", *list(own)[::53]):
        with pytest.raises(UserError, match=f"model.bin: does not fit ViLBERT: missing: {key}; check"):
            load("multitask-7", state=without(states["multitask-7"], key))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bi_num_attention_heads": 5}, "36 hidden units cannot be shared by 5 attention heads"),
        ({"v_biattention_id": [0, 9]}, r"v_biattention_id \[0, 9\]: must ascend .* v_num_hidden_layers 4"),
        ({"t_biattention_id": [2]}, "must be as many"),
        ({"hidden_size": 48}, r"of another size: .*\(90, 24\) instead of \(90, 48\)|of another size: "),
        ({"dynamic_attention": True}, "dynamic_attention True is not supported, only False"),
        ({"model": "roberta"}, "model roberta is not supported, only bert"),
        ({"fusion_method": "max"}, "fusion_method 'max' is not one of mul, sum"),
        ({"task_specific_tokens": True}, "missing: bert.embeddings.task_embeddings.weight"),
        ({"task_specific_tokens": "no"}, "config.json: task_specific_tokens is 'no'; it must be true or false"),
        ({"hidden_size": "24"}, "config.json: hidden_size is '24'; it must be a whole number of 1 or more"),
        ({"v_feature_size": []}, r"config.json: v_feature_size is \[\]; it must be a whole number"),
        ({"v_biattention_id": 3}, "config.json: v_biattention_id 3: must be a list of whole numbers"),
        ({"t_biattention_id": [2, "4"]}, r"config.json: t_biattention_id \[2, '4'\]: must be a list of whole numbers"),
        ({"hidden_act": [1]}, r"config.json: hidden_act '\[1\]' is not one of gelu"),
        ({"v_hidden_act": {}}, "config.json: hidden_act '{}' is not one of gelu"),
        ({"num_hidden_layers": 6}, r"missing: bert.encoder.layer.5\."),
        ({"num_hidden_layers": 5, "v_num_hidden_layers": 3}, r"unexpected: bert.encoder.v_layer.3\."),
    ],
)
def test_configs_that_do_not_fit(change: dict[str, Any], message: str, load: Load) -> None:
    with pytest.raises(UserError, match=message):
        load("pretrained", {**GOLDEN["pretrained"]["config"], **change})


def test_options_that_do_not_fit(load: Load) -> None:
    with pytest.raises(UserError, match="no task 20; 0 to 19 are known"):
        load("multitask-7", task=20)
    with pytest.raises(UserError, match="has no vil_logit, so no score 'vil_logit'; give the multi-task file"):
        load("pretrained", score="vil_logit")
    with pytest.raises(UserError, match="no score 'itm'; there are match, logit, vil_logit, vil_probability"):
        load("multitask-7", score="itm")
    with pytest.raises(UserError, match=r"not a config of this model: it has no .*t_biattention_id"):
        load("pretrained", {"hidden_size": 3})


def test_special_tokens_inside_words(load: Load) -> None:
    ids = load("pretrained").ids
    dog, mask = PIECES.index("dog"), PIECES.index("[MASK]")
    assert (
        ids("dog[MASK]Dog") == ids("dog [MASK] dog") == [PIECES.index("[CLS]"), dog, mask, dog, PIECES.index("[SEP]")]
    )
