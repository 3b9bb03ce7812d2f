"""UNITER against its authors' code (golden/README.md), what would break the agreement, and files that do not fit."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from one_stream import UNITER, epsilon, save_uniter, swapped_size, tanh_gelu, uniter_weights
from real_regions import needs_data, real_pairs
from region_toys import CAPTIONS, WIDTH, score_all, toy_regions
from torch import Tensor

from probing_vlp.errors import UserError
from probing_vlp.records import Regions
from probing_vlp.scorers import load_scorer, uniter

TOLERANCE = {"float64": 1e-6, "float32": 2e-5}


def authors_scores(model: str, kind: str, dtype: str, images: str = "toy") -> dict[str, Tensor]:
    """(images, captions) by name of score, from the logits of the golden file."""
    golden = UNITER["models"][model][dtype][images]
    logits = torch.tensor(golden["itm_output"], dtype=torch.float64)
    rank = torch.tensor(golden["zero_shot" if kind == "pretrained" else "rank_output"], dtype=torch.float64)
    scores = {"match": logits.softmax(1)[:, 1], "logit": logits[:, 1], "rank": rank, "rank_sigmoid": rank.sigmoid()}
    captions = len(CAPTIONS) if images == "toy" else 5
    return {name: values.view(-1, captions) for name, values in scores.items()}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["pretrained", "retrieval"])
@pytest.mark.parametrize("model", UNITER["models"])
def test_scores_are_the_authors(model: str, kind: str, dtype: str, tmp_path: Path) -> None:
    files = save_uniter(tmp_path, model, uniter_weights(model, kind))
    names = ("match", "rank") if kind == "pretrained" else ("logit", "rank_sigmoid")
    for name in names:
        scorer = load_scorer("uniter", **files, device="cpu", dtype=dtype, score=name)
        assert scorer.unit == ("probability" if name in ("match", "rank_sigmoid") else "logit")
        assert (score_all(scorer) - authors_scores(model, kind, dtype)[name]).abs().max() < TOLERANCE[dtype]


def test_the_default_score_is_the_probability_of_a_match_in_float32(tmp_path: Path) -> None:
    scorer = load_scorer("uniter", **save_uniter(tmp_path), device="cpu")
    assert (score_all(scorer) - authors_scores("small", "pretrained", "float32")["match"]).abs().max() < 2e-5


def test_sizes_are_read_off_a_file_whose_heads_are_64_wide(tmp_path: Path) -> None:
    files = save_uniter(tmp_path, "heads of 64")
    scorer = load_scorer("uniter", files["checkpoint"], vocab=files["vocab"], device="cpu", dtype="float64")
    wanted = authors_scores("heads of 64", "pretrained", "float64")["match"]
    assert (score_all(scorer) - wanted).abs().max() < 1e-6


def test_old_names_of_weights(tmp_path: Path) -> None:
    def old(name: str) -> str:
        if "norm" in name.lower():
            name = name.replace("weight", "gamma").replace("bias", "beta")
        return name.replace("uniter.", "bert.")

    state = {old(name): weight for name, weight in uniter_weights("small", "pretrained").items()}
    assert {"bert.embeddings.LayerNorm.gamma", "bert.img_embeddings.pos_layer_norm.beta"} < state.keys()
    scorer = load_scorer("uniter", **save_uniter(tmp_path, state=state), device="cpu", dtype="float64")
    assert (score_all(scorer) - authors_scores("small", "pretrained", "float64")["match"]).abs().max() < 1e-6


def test_captions_are_cut_into_the_authors_pieces(tmp_path: Path) -> None:
    scorer: Any = load_scorer("uniter", **save_uniter(tmp_path), device="cpu")
    assert [scorer.ids(caption)[1:-1] for caption in CAPTIONS] == UNITER["ids"]
    assert len(scorer.ids("a " * 5000)) == 160  # as many as there are positions
    assert scorer.ids("a\vdog\x85on") == scorer.ids("a dog on")  # control characters that Python counts as blanks


def test_which_regions_are_looked_at(tmp_path: Path) -> None:
    files = save_uniter(tmp_path)
    counts = [len(load_scorer("uniter", **files).inputs(image)[1]) for image in toy_regions()]  # type: ignore[attr-defined]
    assert counts == [3, 10, 36, 23, 100]  # all; 4 are confident; all; 23 are confident; 117 are confident
    counts = [len(load_scorer("uniter", **files, regions=36).inputs(image)[1]) for image in toy_regions()]  # type: ignore[attr-defined]
    assert counts == [3, 12, 36, 36, 36]


def test_positions_of_a_region(tmp_path: Path) -> None:
    boxes = np.array([[10, 40, 60, 80]], np.float32)
    image = Regions(1, np.zeros((1, WIDTH), np.float32), boxes, width=100, height=200)
    shares = [0.1, 0.2, 0.6, 0.4, 0.5, 0.2, 0.5 * 0.2]  # x1 y1 x2 y2, then 60 - 10 of 100, 80 - 40 of 200
    scorer: Any = load_scorer("uniter", **save_uniter(tmp_path))
    assert scorer.inputs(image)[1].tolist() == [pytest.approx(shares)]
    stored = replace(image, width=1, height=1, unit_boxes=np.array([[0.5, 0.5, 1, 1, 0.3, 0.5]], np.float16))
    assert scorer.inputs(stored)[1].tolist() == [pytest.approx([0.5, 0.5, 1, 1, 0.3, 0.5, 0.15], abs=1e-3)]


def other_class(scorer: Any, patch: pytest.MonkeyPatch) -> None:
    head = scorer.network.itm_output
    head.weight.data, head.bias.data = head.weight.flip(0), head.bias.flip(0)


def limit(name: str, value: float, scorer: Any, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(uniter, name, value)


def no_mask(scorer: Any, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(uniter, "additive_mask", lambda there, dtype: torch.zeros(1, 1, 1, 1, dtype=dtype))


def text_type(scorer: Any, patch: pytest.MonkeyPatch) -> None:
    types = scorer.network.uniter.embeddings.token_type_embeddings
    types.weight.data = types.weight[[0, 0]]


def lower_case(scorer: Any, patch: pytest.MonkeyPatch) -> None:
    right = scorer.ids
    patch.setattr(scorer, "ids", lambda caption: right(caption.lower()))


@pytest.mark.parametrize(
    "mutation",
    [
        *(tanh_gelu, swapped_size, other_class, no_mask, text_type, lower_case),
        *(partial(epsilon, 1e-5), partial(epsilon, 1e-6)),
        *(partial(limit, "MOST", 99), partial(limit, "LEAST", 9), partial(limit, "CONFIDENT", 0.05)),
    ],
)
def test_a_mutation_leaves_the_tolerance(
    mutation: Callable[[Any, pytest.MonkeyPatch], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = load_scorer("uniter", **save_uniter(tmp_path), device="cpu", dtype="float64")
    mutation(scorer, monkeypatch)
    moved = score_all(scorer) - authors_scores("small", "pretrained", "float64")["match"]
    assert moved.abs().max() > 1e-5


def test_every_weight_matters(tmp_path: Path) -> None:
    """A bias dropped, any other weight set to its mean; but a key's bias adds the same to all logits of a softmax."""
    files = save_uniter(tmp_path, state=uniter_weights("small", "retrieval"))
    moved = {}
    for score in ("match", "rank"):
        scorer: Any = load_scorer("uniter", **files, device="cpu", dtype="float64", score=score)

        def scores(scorer: Any = scorer) -> Tensor:
            return scorer.score(scorer.encode(toy_regions()[:2]), CAPTIONS[:2])

        right = scores()
        for name, weight in scorer.network.named_parameters():
            if ("rank_output" in name) == (score == "rank"):
                kept = weight.clone()
                weight.data[:] = 0 if name.endswith("bias") else weight.mean() + 0.1
                moved[name] = (scores() - right).abs().max().item()
                weight.data[:] = kept
    assert {name for name, by in moved.items() if by < 1e-5} == {
        f"uniter.encoder.layer.{i}.attention.self.key.bias" for i in range(3)
    }


def test_files_that_do_not_fit(tmp_path: Path) -> None:
    files = save_uniter(tmp_path)
    whole = uniter_weights("small", "pretrained")

    def says(message: str, **options: Any) -> None:
        with pytest.raises(UserError, match=message):
            load_scorer("uniter", **{**files, "device": "cpu", **options})

    for gone in ("encoder.layer.1.output.LayerNorm.bias", "img_embeddings.img_linear.bias", "pooler.dense.weight"):
        torch.save({name: weight for name, weight in whole.items() if name != f"uniter.{gone}"}, files["checkpoint"])
        says(f"uniter.pt: does not fit UNITER: missing: uniter.{gone}; check")
    torch.save({name: weight for name, weight in whole.items() if name != "itm_output.bias"}, files["checkpoint"])
    says("uniter.pt: does not fit UNITER: missing: itm_output.bias; check")
    torch.save({**whole, "uniter.spare": torch.zeros(2)}, files["checkpoint"])
    says("unexpected: uniter.spare; check")
    torch.save({"visual.conv1.weight": torch.zeros(2, 3), "logit_scale": torch.zeros(1)}, files["checkpoint"])
    says(r"does not fit UNITER: missing: .* and \d+ more .*; unexpected: visual.conv1.weight, logit_scale")
    torch.save({"text_embeddings": whole, "epoch": 3}, files["checkpoint"])
    says("holds no weights at its top level, but text_embeddings, epoch")
    torch.save(whole, files["checkpoint"])
    says("no score 'itm'; there are match, logit, rank, rank_sigmoid", score="itm")
    says("dtype 'half' is not one of float32", dtype="half")
    wider = {**UNITER["models"]["small"]["config"], "hidden_size": 32}
    files["config"].write_text(json.dumps(wider))
    says(r"of another size: uniter.embeddings.word_embeddings.weight \(107, 24\) instead of \(107, 32\)")
    files["config"].write_text(json.dumps({**wider, "hidden_size": 30}))
    says("30 hidden units cannot be shared by 4 attention heads")
    files["config"].write_text("LAYER: 12")
    says("uniter.json: not JSON")
    text = json.dumps({**wider, "hidden_size": "24"})
    says("c.json: hidden_size is '24'; it must be a whole number", config=_write(tmp_path / "c.json", text))
    says("24 hidden units are no multiple of 64, .*; give the authors' config", config=None)
    says("scorer uniter: regions is 0; it must be a whole number of 1 or more", regions=0, config=None)
    says("it has no hidden_size", config=_write(tmp_path / "c.json", '{"vocab_size": 107}'))
    files = save_uniter(tmp_path)
    files["vocab"].write_text(files["vocab"].read_text() + "one\nmore\n")
    says("vocab.txt: 109 word pieces, but .*uniter.pt knows 107; is it the right vocab")


def test_missing_layers_are_named(tmp_path: Path) -> None:
    """A config's number counts; without one they go from 0 without a gap, 12 of 768 or 24 of 1024 units."""
    files = save_uniter(tmp_path)
    whole = uniter_weights("small", "pretrained")

    def says(message: str, layers: set[int], width: int = 24, config: Path | None = None) -> None:
        state = {key: weight for key, weight in whole.items() if "encoder.layer." not in key}
        state["uniter.embeddings.word_embeddings.weight"] = torch.zeros(107, width)
        state |= {f"uniter.encoder.layer.{i}.output.dense.bias": torch.zeros(24) for i in layers}
        torch.save(state, files["checkpoint"])
        with pytest.raises(UserError, match=f"uniter.pt: {message}"):
            load_scorer("uniter", files["checkpoint"], config, files["vocab"], device="cpu")

    says("has no layer uniter.encoder.layer.0; is the file whole.*say so with num_hidden_layers in its config", set())
    says("has no layer uniter.encoder.layer.1; is", {0, 2})
    says("has no layer uniter.encoder.layer.11, of 12 in the published model of this width", {*range(11)}, 768)
    says("has no layer uniter.encoder.layer.12, of 24 in the published model", {*range(12)}, 1024)
    says("has a layer uniter.encoder.layer.12, of 12 in the published model.*if it is right", {*range(13)}, 768)
    says("does not fit UNITER: missing: .*uniter.encoder.layer.0.attention", {0, 1}, config=files["config"])


def test_weights_and_configs_of_other_types(tmp_path: Path) -> None:
    files = save_uniter(tmp_path)
    whole = uniter_weights("small", "pretrained")

    def says(message: str, **options: Any) -> None:
        with pytest.raises(UserError, match=message):
            load_scorer("uniter", **{**files, "device": "cpu", **options})

    for bias, said in (
        (torch.tensor([1, torch.nan]), "uniter.pt: NaN or infinity in itm_output.bias; download it again"),
        (torch.tensor([1, 2], dtype=torch.int8), "uniter.pt: itm_output.bias is of type int8"),
        (torch.ones(2).to_sparse(), r"uniter.pt: itm_output.bias is sparse \(torch.sparse_coo\)"),
        (torch.tensor(1.0), r"of another size: itm_output.bias \(\) instead of \(2,\)"),
    ):
        torch.save({**whole, "itm_output.bias": bias}, files["checkpoint"])
        says(said)
    torch.save(whole, files["checkpoint"])
    for act in ([1], {}, None):
        text = json.dumps({**UNITER["models"]["small"]["config"], "hidden_act": act})
        says(r"c\.json: hidden_act '.*' is not one of gelu", config=_write(tmp_path / "c.json", text))


def _write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_features_of_another_width(tmp_path: Path) -> None:
    scorer = load_scorer("uniter", **save_uniter(tmp_path), device="cpu")
    with pytest.raises(UserError, match="image 0: region features of width 1024; uniter takes 2048"):
        scorer.encode(toy_regions(width=1024))


def test_long_and_blank_captions(tmp_path: Path) -> None:
    scorer = load_scorer("uniter", **save_uniter(tmp_path), device="cpu")
    captions = ["a dog " * 1700, "dog" * 3400, "zy", " \n", ""]
    scores = scorer.score(scorer.encode(toy_regions()[:1]).select([0] * 5), captions)
    assert torch.isnan(scores).tolist() == [False, False, False, True, True]


@needs_data
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_scores_of_real_features_are_the_authors(dtype: str, tmp_path: Path) -> None:
    images, captions = zip(*real_pairs(), strict=True)
    scorer = load_scorer("uniter", **save_uniter(tmp_path, "heads of 64"), device="cpu", dtype=dtype)
    rows = [row for row in range(len(images)) for _ in range(5)]
    scores = scorer.score(scorer.encode(images).select(rows), [text for texts in captions for text in texts])
    wanted = authors_scores("heads of 64", "pretrained", dtype, "real")["match"]
    assert (scores.double() - wanted.flatten()).abs().max() < TOLERANCE[dtype]
