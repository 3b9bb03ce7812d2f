"""What ViLBERT and LXMERT make of files and captions that do not fit; test_vilbert.py and test_lxmert.py have the
scores."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from region_toys import score_all, toy_regions
from two_streams import save_lxmert, save_vilbert

from probing_vlp.errors import UserError
from probing_vlp.scorers import load_scorer

SAVE = {"vilbert": save_vilbert, "lxmert": save_lxmert}
PIECES = {"vilbert": 30, "lxmert": 20}
IMAGES = toy_regions()[:3]
names = pytest.mark.parametrize("name", SAVE)


@names
def test_weights_of_another_model(name: str, tmp_path: Path) -> None:
    files = SAVE[name](tmp_path)
    torch.save({"uniter.embeddings.word_embeddings.weight": torch.zeros(9, 8)}, files["checkpoint"])
    for config in (files["config"], None):
        with pytest.raises(UserError, match=r"does not fit \w+: missing: bert.*and \d+ more.*unexpected: uniter"):
            load_scorer(name, **{**files, "config": config})
    torch.save({"model": {"a": torch.zeros(1)}}, files["checkpoint"])
    with pytest.raises(UserError, match="holds no weights at its top level, but model"):
        load_scorer(name, **files)


def test_weights_of_each_other(tmp_path: Path) -> None:
    for own, other in (("vilbert", "lxmert"), ("lxmert", "vilbert")):
        with pytest.raises(UserError, match=r"does not fit .* missing: bert.*; unexpected: bert"):
            load_scorer(own, SAVE[other](tmp_path)["checkpoint"])


@names
def test_a_cut_file(name: str, tmp_path: Path) -> None:
    files = SAVE[name](tmp_path)
    whole = files["checkpoint"].read_bytes()
    for size in (0, 100, len(whole) // 2, len(whole) - 1):
        files["checkpoint"].write_bytes(whole[:size])
        with pytest.raises(UserError, match=r"not a whole checkpoint .*download it again"):
            load_scorer(name, **files)


class Foreign:
    """What a pickle may hold besides weights."""


@names
def test_a_pickle_with_foreign_objects_needs_trust(name: str, tmp_path: Path) -> None:
    files = SAVE[name](tmp_path)
    plain = score_all(load_scorer(name, **files, device="cpu"), IMAGES)
    torch.save({**torch.load(files["checkpoint"]), "args": Foreign()}, files["checkpoint"])
    with pytest.raises(UserError, match="--trust-pickle"):
        load_scorer(name, **files)
    assert torch.equal(score_all(load_scorer(name, **files, device="cpu", trust_pickle=True), IMAGES), plain)


@names
def test_regions_that_do_not_fit(name: str, tmp_path: Path) -> None:
    scorer = load_scorer(name, **SAVE[name](tmp_path), device="cpu")
    with pytest.raises(UserError, match=f"image 0: region features of width 64; {name} takes 2048"):
        scorer.encode(toy_regions(64))
    nothing = dataclasses.replace(IMAGES[1], features=IMAGES[1].features[:0], boxes=IMAGES[1].boxes[:0])
    with pytest.raises(UserError, match="image 1: has no regions; extract its features again"):
        scorer.encode([IMAGES[0], nothing])


@names
def test_blank_and_endless_captions(name: str, tmp_path: Path) -> None:
    scorer: Any = load_scorer(name, **SAVE[name](tmp_path), device="cpu")
    captions = ["", " \t", "a dog " * 1667, "d" * 10_000]
    scores = scorer.score(scorer.encode(IMAGES[:1] * 4), captions)
    assert torch.isnan(scores).tolist() == [True, True, False, False]
    cut = scorer.score(scorer.encode(IMAGES[:1]), ["a dog " * ((PIECES[name] - 2) // 2)])
    assert scores[2].item() == pytest.approx(cut.item(), abs=1e-6)


@names
def test_weights_stored_in_bfloat16(name: str, tmp_path: Path) -> None:
    files = SAVE[name](tmp_path)
    exact, rounded = (
        score_all(load_scorer(name, **files, device="cpu", dtype=d), IMAGES) for d in ("float32", "bfloat16")
    )
    assert 0 < (exact - rounded).abs().max() < 0.03
