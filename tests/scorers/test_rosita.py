"""ROSITA against its authors' code (golden/README.md), what would break the agreement, and files that do not fit."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from one_stream import ROSITA, Parts, epsilon, rosita_parts, save_rosita, swapped_size, tanh_gelu
from real_regions import needs_data, real_pairs
from region_toys import CAPTIONS, WIDTH, score_all, toy_regions
from torch import Tensor

from probing_vlp.errors import UserError
from probing_vlp.records import Regions
from probing_vlp.scorers import load_scorer, rosita

TOLERANCE = {"float64": 1e-6, "float32": 2e-5}


def authors_scores(model: str, dtype: str, images: str = "toy") -> dict[str, Tensor]:
    """(images, captions) by name of score, from the logits of the golden file."""
    logits = torch.tensor(ROSITA[model][dtype][images], dtype=torch.float64)
    captions = len(CAPTIONS) if images == "toy" else 5
    return {"match": logits.softmax(1)[:, 1].view(-1, captions), "logit": logits[:, 1].view(-1, captions)}


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("kind", ["pretrained", "retrieval"])
@pytest.mark.parametrize("model", ROSITA)
def test_scores_are_the_authors(model: str, kind: str, dtype: str, tmp_path: Path) -> None:
    files = save_rosita(tmp_path, model, rosita_parts(model, kind))
    name = "match" if kind == "retrieval" else "logit"
    scorer = load_scorer("rosita", **files, device="cpu", dtype=dtype, score=name)
    assert scorer.unit == ("probability" if name == "match" else "logit")
    assert (score_all(scorer) - authors_scores(model, dtype)[name]).abs().max() < TOLERANCE[dtype]


def test_the_default_score_is_the_probability_of_a_match_in_float32(tmp_path: Path) -> None:
    scorer = load_scorer("rosita", **save_rosita(tmp_path), device="cpu")
    assert (score_all(scorer) - authors_scores("small", "float32")["match"]).abs().max() < 2e-5


def test_sizes_are_read_off_a_file_whose_heads_are_64_wide(tmp_path: Path) -> None:
    files = save_rosita(tmp_path, "heads of 64")
    scorer = load_scorer("rosita", files["checkpoint"], vocab=files["vocab"], device="cpu", dtype="float64")
    assert (score_all(scorer) - authors_scores("heads of 64", "float64")["match"]).abs().max() < 1e-6


@needs_data
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_scores_of_real_features_are_the_authors(dtype: str, tmp_path: Path) -> None:
    images, captions = zip(*real_pairs(), strict=True)
    scorer = load_scorer("rosita", **save_rosita(tmp_path), device="cpu", dtype=dtype)
    rows = [row for row in range(len(images)) for _ in range(5)]
    scores = scorer.score(scorer.encode(images).select(rows), [text for texts in captions for text in texts])
    assert (scores.double() - authors_scores("small", dtype, "real")["match"].flatten()).abs().max() < TOLERANCE[dtype]


@pytest.mark.parametrize("model", ROSITA)
def test_captions_are_cut_into_the_authors_pieces(model: str, tmp_path: Path) -> None:
    scorer: Any = load_scorer("rosita", **save_rosita(tmp_path, model), device="cpu")
    assert [scorer.ids(caption) for caption in CAPTIONS] == ROSITA[model]["ids"]


def test_marks_are_deleted_not_blanked(tmp_path: Path) -> None:
    scorer: Any = load_scorer("rosita", **save_rosita(tmp_path), device="cpu")
    assert scorer.ids("T-shirts & a_dog: café!") == scorer.ids("tshirts adog cafe")
    assert scorer.ids("?!") == scorer.ids("")


def test_positions_of_a_region(tmp_path: Path) -> None:
    boxes = np.array([[10, 40, 60, 80]] * 40, np.float32)
    image = Regions(1, np.zeros((40, WIDTH), np.float32), boxes, width=100, height=200)
    scorer: Any = load_scorer("rosita", **save_rosita(tmp_path))
    features, positions = scorer.inputs(image)
    assert (len(features), len(positions)) == (36, 36)
    assert positions[0].tolist() == pytest.approx([0.1, 0.2, 0.6, 0.4, 50 * 40 / (100 * 200)])


def area_in_pixels(scorer: Any, patch: pytest.MonkeyPatch) -> None:
    right = scorer.inputs
    sides = np.array([1, 1, 1, 1, 1.01], np.float32)
    patch.setattr(scorer, "inputs", lambda image: (right(image)[0], right(image)[1] * sides))


def other_class(scorer: Any, patch: pytest.MonkeyPatch) -> None:
    head = scorer.network.mm_itm_head.dense
    head.weight.data, head.bias.data = head.weight.flip(0), head.bias.flip(0)


def limit(name: str, value: int, scorer: Any, patch: pytest.MonkeyPatch) -> None:
    patch.setitem(scorer.limits, name, value)


def no_mask(scorer: Any, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rosita, "additive_mask", lambda there, dtype: torch.zeros(1, 1, 1, 1, dtype=dtype))


def marks_kept(scorer: Any, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rosita.re, "sub", lambda pattern, new, text: text)


@pytest.mark.parametrize(
    "mutation",
    [
        *(tanh_gelu, swapped_size, area_in_pixels, other_class, no_mask, marks_kept),
        *(partial(epsilon, 1e-5), partial(epsilon, 1e-6)),
        *(partial(limit, "image", 35), partial(limit, "image", 37), partial(limit, "text", 29)),
    ],
)
def test_a_mutation_leaves_the_tolerance(
    mutation: Callable[[Any, pytest.MonkeyPatch], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = load_scorer("rosita", **save_rosita(tmp_path), device="cpu", dtype="float64")
    mutation(scorer, monkeypatch)
    assert (score_all(scorer) - authors_scores("small", "float64")["match"]).abs().max() > 1e-5


def test_every_weight_matters(tmp_path: Path) -> None:
    """A bias dropped, any other weight set to its mean; but a key's bias adds the same to all logits of a softmax."""
    scorer: Any = load_scorer("rosita", **save_rosita(tmp_path), device="cpu", dtype="float64")

    def scores() -> Tensor:
        return scorer.score(scorer.encode(toy_regions()[:2]), CAPTIONS[:2])

    right, moved = scores(), {}
    for name, weight in scorer.network.named_parameters():
        kept = weight.clone()
        weight.data[:] = 0 if name.endswith("bias") else weight.mean() + 0.1
        moved[rosita.rosita_name(name)] = (scores() - right).abs().max().item()
        weight.data[:] = kept
    assert {name for name, by in moved.items() if by < 1e-5} == {
        f"backbone.layers.{i}.mhatt.dense_k.bias" for i in range(3)
    }


def test_files_that_do_not_fit(tmp_path: Path) -> None:
    files = save_rosita(tmp_path)

    def says(message: str, **options: Any) -> None:
        with pytest.raises(UserError, match=message):
            load_scorer("rosita", **{**files, "device": "cpu", **options})

    def spoil(change: Callable[[Parts], Any]) -> None:
        found = rosita_parts("small", "retrieval")
        change(found)
        torch.save(found, files["checkpoint"])

    spoil(lambda found: found["backbone"].pop("layers.1.mhatt.dense_q.weight"))
    says("rosita.pkl: does not fit ROSITA: missing: backbone.layers.1.mhatt.dense_q.weight; check")
    spoil(lambda found: found.pop("mm_itm_head"))
    says("missing: mm_itm_head.dense.bias, mm_itm_head.dense.weight; check")
    spoil(lambda found: found["pooler"].update(spare=torch.zeros(2)))
    says("unexpected: pooler.spare; check")
    torch.save({"uniter.embeddings.LayerNorm.bias": torch.zeros(2)}, files["checkpoint"])
    says("not a checkpoint of ROSITA: it holds uniter.embeddings.LayerNorm.bias, and no text_embeddings")
    torch.save([torch.zeros(2)], files["checkpoint"])
    says("not a checkpoint of ROSITA: it holds list")
    spoil(lambda found: found.update(pooler=3))
    says(r"rosita.pkl \(pooler\): holds int, not a dictionary of weights")
    files = save_rosita(tmp_path)
    config = {**ROSITA["small"]["config"], "HSIZE": 32}
    files["config"].write_text(yaml.safe_dump(config))
    says(r"of another size: text_embeddings.word_embeddings.weight \(107, 24\) instead of \(107, 32\)")
    files["config"].write_text(yaml.safe_dump({**config, "HHEAD": 5}))
    says("32 hidden units cannot be shared by 5 attention heads")
    files["config"].write_text('{"hidden_size": 24}')
    says("rosita.yaml: not a config of ROSITA, whose keys are HSIZE, LAYER, ...: hidden_size")
    files["config"].write_text("HSIZE: [")
    says("rosita.yaml: not YAML")
    says("24 hidden units are no multiple of 64, .*; give the authors' config", config=None)
    files["config"].write_text("HSIZE: big")
    says("rosita.yaml: HSIZE is 'big'; it must be a whole number of 1 or more")
    files["config"].write_text("PAD_MAX: 30")
    says("rosita.yaml: PAD_MAX")
    for pieces in (2, 51):
        files["config"].write_text(yaml.safe_dump({**ROSITA["small"]["config"], "PAD_MAX": {"text": pieces}}))
        says(rf"rosita.yaml: PAD_MAX.text is {pieces}; it must be 3 or more, and 50 \(POS_EMB_IN_SIZE\) or less")
    files = save_rosita(tmp_path)
    files["vocab"].write_text(files["vocab"].read_text() + "one\nmore\n")
    says("vocab.txt: 109 word pieces, but .*rosita.pkl knows 107")


def test_missing_layers_are_named(tmp_path: Path) -> None:
    """A config's LAYER counts; without one they go from 0 without a gap, 12 of 768 units."""
    files = save_rosita(tmp_path)

    def says(message: str, layers: set[int], width: int = 24, config: Path | None = None) -> None:
        found = rosita_parts("small", "retrieval")
        found["text_embeddings"]["word_embeddings.weight"] = torch.zeros(107, width)
        found["backbone"] = {f"layers.{i}.mhatt.dense_q.bias": torch.zeros(24) for i in layers} | {"a": torch.zeros(1)}
        torch.save(found, files["checkpoint"])
        with pytest.raises(UserError, match=f"rosita.pkl: {message}"):
            load_scorer("rosita", files["checkpoint"], config, files["vocab"], device="cpu")

    says("has no layer backbone.layers.0; is the file whole.*say so with LAYER in its config", set())
    says("has no layer backbone.layers.1; is", {0, 2})
    says("has no layer backbone.layers.11, of 12 in the published model", {*range(11)}, 768)
    says("does not fit ROSITA: missing: backbone.layers.0.ffn", {0, 1, 2}, config=files["config"])


def test_containers_that_hold_no_parts(tmp_path: Path) -> None:
    files = save_rosita(tmp_path)
    torch.save({"model": rosita_parts("small", "retrieval")}, files["checkpoint"])
    with pytest.raises(UserError, match=r"it holds model, and no text_embeddings.*; they stand under 'model': save"):
        load_scorer("rosita", **files)
    torch.save({}, files["checkpoint"])
    with pytest.raises(UserError, match=r"rosita.pkl: not a checkpoint of ROSITA: it holds nothing, and no"):
        load_scorer("rosita", **files)


def test_features_of_another_width(tmp_path: Path) -> None:
    scorer = load_scorer("rosita", **save_rosita(tmp_path), device="cpu")
    with pytest.raises(UserError, match="image 0: region features of width 1024; rosita takes 2048"):
        scorer.encode(toy_regions(width=1024))


def test_long_and_blank_captions(tmp_path: Path) -> None:
    scorer = load_scorer("rosita", **save_rosita(tmp_path), device="cpu")
    captions = ["a dog " * 1700, "dog" * 3400, "...", " \n", ""]
    scores = scorer.score(scorer.encode(toy_regions()[:1]).select([0] * 5), captions)
    assert torch.isnan(scores).tolist() == [False, False, False, True, True]
