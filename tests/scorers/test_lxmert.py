"""LXMERT's scores are its authors' (tests/golden/make_lxmert.py ran their code), and small mistakes would show."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from real_regions import needs_data, real_pairs
from region_toys import CAPTIONS, score_all, toy_regions, toy_weights
from torch import Tensor, nn
from two_streams import LXMERT as GOLDEN
from two_streams import (
    TOLERANCE,
    Change,
    State,
    change_regions,
    golden_state,
    save_model,
    wider_epsilon,
    without,
)

from probing_vlp.errors import UserError
from probing_vlp.scorers import load_scorer, lxmert

IMAGES = toy_regions()
Load = Callable[..., Any]


@pytest.fixture(scope="module")
def state() -> State:
    return golden_state(GOLDEN["shapes"])


@pytest.fixture
def load(state: State, tmp_path: Path) -> Load:
    """A scorer through files in the authors' formats: a state dict of DataParallel, BERT's config."""

    def load(
        state: State = state, config: dict[str, Any] = GOLDEN["config"], front: str = "module.", **options: Any
    ) -> Any:
        saved = {front + key: value for key, value in state.items()}
        return load_scorer("lxmert", **save_model(tmp_path, "Epoch20_LXRT.pth", saved, config), device="cpu", **options)

    return load


def matrix(scorer: Any) -> np.ndarray:
    """Scores of all images with all captions, in one batch: (images, captions)."""
    return score_all(scorer, IMAGES).numpy()


def error(scorer: Any, dtype: str = "float32", score: str = "match") -> float:
    """The largest difference from the authors' scores."""
    return float(np.abs(matrix(scorer) - GOLDEN[dtype]["toy"][score]).max())


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("score", ["match", "logit"])
@pytest.mark.parametrize("front", ["module.", ""])
def test_scores_are_the_authors(front: str, score: str, dtype: str, load: Load) -> None:
    assert error(load(front=front, dtype=dtype, score=score), dtype, score) < TOLERANCE[dtype]


def test_golden_scores_differ_between_pairs() -> None:
    scores = np.array(GOLDEN["float64"]["toy"]["match"])
    assert scores.std(axis=0).min() > 1e-3
    assert scores.std(axis=1).min() > 1e-3


@needs_data
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_scores_of_real_features_are_the_authors(dtype: str, load: Load) -> None:
    images, captions = zip(*real_pairs(), strict=True)
    scorer = load(dtype=dtype)
    rows = [row for row, own in enumerate(captions) for _ in own]
    scores = scorer.score(scorer.encode(images).select(rows), [caption for own in captions for caption in own])
    assert scores.tolist() == pytest.approx(np.ravel(GOLDEN[dtype]["real"]["match"]), abs=TOLERANCE[dtype])


def test_names_of_transformers_files(load: Load, state: State) -> None:
    renamed = {key.replace("bert.", "lxmert.", 1) if key.startswith("bert.") else key: state[key] for key in state}
    assert error(load(renamed, front="")) < 2e-5


def test_sizes_read_off_a_file(tmp_path: Path, load: Load) -> None:
    """With heads 64 wide, no config is needed."""
    sizes = {**GOLDEN["config"], "hidden_size": 128, "num_attention_heads": 2}
    names = ("vocab_size", "hidden_size", "num_attention_heads", "intermediate_size", "max_position_embeddings")
    layers = {"l_layers": 2, "x_layers": 3, "r_layers": 1}
    network = lxmert.Lxmert({**{name: sizes[name] for name in names}, **layers})
    given = matrix(load(toy_weights(network.state_dict()), sizes))
    files = {"checkpoint": tmp_path / "Epoch20_LXRT.pth", "vocab": tmp_path / "vocab.txt"}
    assert np.array_equal(matrix(load_scorer("lxmert", **files, device="cpu")), given)


def test_object_layers_run_once_an_image(load: Load) -> None:
    scorer = load()
    calls: list[int] = []
    for layer in scorer.network.bert.encoder.r_layers:
        layer.register_forward_hook(lambda *_: calls.append(1))
    encoded = scorer.encode(IMAGES)
    for caption in CAPTIONS:
        scorer.score(encoded, [caption] * len(IMAGES))
    assert len(calls) == len(scorer.network.bert.encoder.r_layers)


def test_every_weight_matters(load: Load) -> None:
    """But for biases of keys, which add the same to all logits of a query, and what the last cross layer says of the
    regions, which nobody reads."""
    scorer = load(dtype="float64")
    images, captions = IMAGES[:2], [CAPTIONS[1], CAPTIONS[3]]
    before = scorer.score(scorer.encode(images), captions)
    unseen = []
    for name, weight in scorer.network.named_parameters():
        kept = weight.data.clone()
        weight.data.copy_(torch.zeros_like(weight) if name.endswith("bias") else weight.flip(-1))
        after = scorer.score(scorer.encode(images), captions)
        weight.data.copy_(kept)
        if (after - before).abs().max() < 2 * TOLERANCE["float64"] and not name.endswith("key.bias"):
            unseen.append(name)
    assert [name for name in unseen if not name.startswith("bert.encoder.x_layers.1.visn_")] == []


def tanh_gelu(patch: pytest.MonkeyPatch, scorer: Any) -> None:
    for module in scorer.network.modules():
        if hasattr(module, "intermediate_act_fn"):
            patch.setattr(module, "intermediate_act_fn", nn.GELU("tanh"))


def other_class(patch: pytest.MonkeyPatch, scorer: Any) -> None:
    head = scorer.network.cls["seq_relationship"]
    head.weight.data, head.bias.data = head.weight.flip(0), head.bias.flip(0)


def read_the_others_output(patch: pytest.MonkeyPatch, scorer: Any) -> None:
    """The regions ask the words as these are after they have asked the regions."""
    layer = type(scorer.network.bert.encoder.x_layers[0])

    def cross_att(
        self: Any, lang_input: Tensor, lang_attention_mask: Tensor, visual_input: Tensor, *rest: Any, **more: Any
    ) -> Any:
        visual_mask = more.get("visual_attention_mask", rest[0] if rest else None)
        words = self.visual_attention(lang_input, visual_input, visual_mask)
        return words, self.visual_attention(visual_input, words[0], lang_attention_mask)

    patch.setattr(layer, "cross_att", cross_att)


def self_attention_first(patch: pytest.MonkeyPatch, scorer: Any) -> None:
    """Self-attention before cross-attention."""
    layer = type(scorer.network.bert.encoder.x_layers[0])

    def forward(self: Any, words: Tensor, words_mask: Tensor, regions: Tensor, regions_mask: Tensor) -> Any:
        words, regions = self.self_att(words, words_mask, regions, regions_mask)
        (words,), (regions,) = self.cross_att(words, words_mask, regions, regions_mask)
        return self.output_fc(words, regions)

    patch.setattr(layer, "forward", forward)


def no_masks(patch: pytest.MonkeyPatch, scorer: Any) -> None:
    patch.setattr(lxmert, "additive_mask", lambda there, dtype: torch.zeros(len(there), 1, 1, 1, dtype=dtype))


def sum_of_embeddings(patch: pytest.MonkeyPatch, scorer: Any) -> None:
    """Not their half."""
    scorer.network.bert.encoder.visn_fc.register_forward_hook(lambda module, given, out: 2 * out)


def one_piece_more(patch: pytest.MonkeyPatch, scorer: Any) -> None:
    patch.setattr(scorer, "ids", lambda caption: scorer._pieces(caption, 21))


CHANGES: dict[str, Change] = {
    "tanh for erf in GELU": tanh_gelu,
    "LayerNorm's epsilon 1e-5": wider_epsilon,
    "class 0": other_class,
    "regions ask changed words": read_the_others_output,
    "self-attention first": self_attention_first,
    "no masks": no_masks,
    "sum of feature and box": sum_of_embeddings,
    "21 pieces": one_piece_more,
    "width and height swapped": change_regions(lambda i: dataclasses.replace(i, width=i.height, height=i.width)),
    "boxes in pixels": change_regions(lambda i: dataclasses.replace(i, width=1, height=1)),
    "one region less": change_regions(lambda i: dataclasses.replace(i, features=i.features[:-1], boxes=i.boxes[:-1])),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_mistake_would_show(change: str, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    scorer = load()
    CHANGES[change](monkeypatch, scorer)
    assert error(scorer) > 2 * TOLERANCE["float32"]


def test_one_missing_tensor_is_named(load: Load, state: State) -> None:
    own = load().network.state_dict()
    for key in (
        "bert.encoder.x_layers.1.visual_attention.att.key.bias",
        "cls.seq_relationship.weight",
        *list(own)[::40],
    ):
        with pytest.raises(UserError, match=f"_LXRT.pth: does not fit LXMERT: missing: {key}[;,]"):
            load(without(state, key))


def test_a_file_fine_tuned_for_another_task(load: Load, state: State) -> None:
    """As their tasks save it: the encoder alone, or the encoder inside the task's model."""
    for front in ("", "lxrt_encoder.model."):
        with pytest.raises(UserError, match=r"no matching head \(cls.seq_relationship\).*give the pre-trained file"):
            load(without(state, "cls.", "obj_predict_head.", "answer_head."), front=front)


def test_configs_and_options_that_do_not_fit(load: Load, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="24 hidden units cannot be shared by 5 attention heads"):
        load(config={**GOLDEN["config"], "num_attention_heads": 5})
    with pytest.raises(UserError, match="of another size: bert"):
        load(config={**GOLDEN["config"], "hidden_size": 48})
    with pytest.raises(UserError, match="hidden_act 'tanh' is not one of gelu"):
        load(config={**GOLDEN["config"], "hidden_act": "tanh"})
    with pytest.raises(UserError, match="not a config of this model: it has no vocab_size"):
        load(config={})
    with pytest.raises(UserError, match="no score 'itm'; there are match, logit"):
        load(score="itm")


def test_missing_layers_are_named(load: Load, state: State) -> None:
    """Layers that a config names are those that count; without it, none may lack as far as can be told."""
    for kind in ("r_layers", "x_layers", "layer"):
        gone = without(state, f"bert.encoder.{kind}.")
        with pytest.raises(UserError, match=rf"_LXRT.pth: has no layer bert.encoder.{kind}.0; is the file whole\?"):
            load(gone)
    with pytest.raises(UserError, match=r"has no layer bert.encoder.layer.1; is the file whole.* with l_layers in its"):
        load(without(state, "bert.encoder.layer.1."))
    counted = {**GOLDEN["config"], "l_layers": 3, "x_layers": 2, "r_layers": 1}
    assert error(load(config=counted)) < TOLERANCE["float32"]
    with pytest.raises(UserError, match=r"does not fit LXMERT: missing: bert.encoder.x_layers.1\."):
        load(without(state, "bert.encoder.x_layers.1."), counted)
    with pytest.raises(UserError, match=r"does not fit LXMERT: unexpected: bert.encoder.x_layers.1\."):
        load(config={**counted, "x_layers": 1})


@pytest.mark.parametrize("kind", ["layer", "x_layers", "r_layers"])
def test_a_file_of_the_published_width_has_the_published_layers(kind: str, load: Load, tmp_path: Path) -> None:
    counts = {"layer": 9, "x_layers": 5, "r_layers": 5}
    names = [f"bert.encoder.{each}.{i}.bias" for each, count in counts.items() for i in range(count)]
    state = {name: torch.zeros(1) for name in (*names, "cls.seq_relationship.bias")}
    state["bert.pooler.dense.bias"] = torch.zeros(768)
    last = f"bert.encoder.{kind}.{counts[kind] - 1}"
    for config in ({**GOLDEN["config"], "hidden_size": 768}, None):
        with pytest.raises(UserError, match=f"has no layer {last}, of {counts[kind]} in the published model"):
            if config:
                load(without(state, f"{last}."), config)
            else:
                load_scorer("lxmert", tmp_path / "Epoch20_LXRT.pth", vocab=tmp_path / "vocab.txt")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_size": "24"}, "hidden_size is '24'; it must be a whole number of 1 or more"),
        ({"vocab_size": [107]}, r"vocab_size is \[107\]; it must be a whole number"),
        ({"type_vocab_size": 0}, "type_vocab_size is 0; it must be a whole number"),
        ({"x_layers": 2.5}, "x_layers is 2.5; it must be a whole number"),
        ({"hidden_act": [1]}, r"hidden_act '\[1\]' is not one of gelu"),
        ({"hidden_act": {}}, "hidden_act '{}' is not one of gelu"),
        ({"num_attention_heads": 5}, "24 hidden units cannot be shared by 5 attention heads"),
    ],
)
def test_a_config_of_other_types_is_named(change: dict[str, Any], message: str, load: Load) -> None:
    with pytest.raises(UserError, match=rf"config\.json: {message}"):
        load(config={**GOLDEN["config"], **change})


def test_weights_that_are_nan(load: Load, state: State) -> None:
    key = "bert.encoder.x_layers.0.lang_inter.dense.bias"
    with pytest.raises(UserError, match=f"_LXRT.pth: NaN or infinity in {key}; download it again"):
        load({**state, key: state[key] * torch.nan})
