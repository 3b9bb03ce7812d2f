"""One suite that every row of SCORERS passes.  A new row needs a case in `make_case`, and nothing else here."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from scorer_toys import feature_vectors, pictures, references, save_toy_clip, save_toy_mini_clip

from probing_vlp.errors import UserError
from probing_vlp.scorers import SCORERS, Scorer, load_scorer

IMAGES = 4
CAPTIONS = ["a dog on a mat", "a cat", "a dog on a mat", "zebra number 3, is a very long caption on a mat of a cat!"]
RANGE = {"cosine": (-1.0, 1.0), "cider": (0.0, 10.0), "probability": (0.0, 1.0), "logit": (-math.inf, math.inf)}


class Case(NamedTuple):
    """A scorer, IMAGES visuals of its kind, and whether it can score a blank caption."""

    scorer: Any
    visuals: Sequence[Any]
    scores_blank: bool = False


def make_case(name: str, folder: Path) -> Case:
    """The case of a row; tiny random weights stand in for trained ones."""
    if name == "cider":
        return Case(load_scorer(name, corpus=references(IMAGES)), references(IMAGES), scores_blank=True)
    if name == "mini-clip":
        return Case(load_scorer(name, checkpoint=save_toy_mini_clip(folder)), feature_vectors(IMAGES))
    if name == "clip":
        config, weights = save_toy_clip(folder)
        return Case(load_scorer(name, checkpoint=weights, config=config), pictures(folder, IMAGES))
    pytest.fail(f"scorer '{name}' has no case: add one to make_case")


@pytest.fixture(scope="module", params=SCORERS)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    return make_case(request.param, tmp_path_factory.mktemp(request.param))


def test_declares_what_it_is(case: Case) -> None:
    assert isinstance(case.scorer, Scorer)
    assert SCORERS[case.scorer.name]
    assert case.scorer.visual in ("pixels", "regions", "references", "features")
    assert case.scorer.unit in RANGE


def test_scores_are_one_float_a_caption_within_the_range_of_the_unit(case: Case) -> None:
    scores = case.scorer.score(case.scorer.encode(case.visuals), CAPTIONS)
    assert (scores.shape, scores.dtype, scores.device.type) == ((IMAGES,), torch.float32, "cpu")
    low, high = RANGE[case.scorer.unit]
    assert all(low - 1e-6 <= score <= high + 1e-6 for score in scores.tolist())
    assert len(set(scores.tolist())) > 1


def test_scores_do_not_depend_on_batch_size_order_or_neighbours(case: Case) -> None:
    encoded = case.scorer.encode(case.visuals)
    together = case.scorer.score(encoded, CAPTIONS)
    alone = [case.scorer.score(encoded.select([i]), [caption]).item() for i, caption in enumerate(CAPTIONS)]
    assert together.tolist() == pytest.approx(alone, abs=1e-5)
    order = [2, 0, 3, 1]
    shuffled = case.scorer.score(encoded.select(order), [CAPTIONS[i] for i in order])
    assert shuffled.tolist() == pytest.approx(together[order].tolist(), abs=1e-5)


def test_scores_repeat_bit_for_bit(case: Case) -> None:
    first = case.scorer.score(case.scorer.encode(case.visuals), CAPTIONS)
    again = case.scorer.score(case.scorer.encode(case.visuals), CAPTIONS)
    assert torch.equal(first, again)


def test_rows_picked_after_encoding_are_rows_encoded(case: Case) -> None:
    rows = [1, 1, 3, 0, 1]
    captions = ["a cat", "a dog", "a cat", "a cat on a mat", "a cat"]
    picked = case.scorer.encode(case.visuals).select(rows)
    assert len(picked) == len(rows)
    scores = case.scorer.score(picked, captions)
    again = case.scorer.score(case.scorer.encode([case.visuals[row] for row in rows]), captions)
    assert scores.tolist() == pytest.approx(again.tolist(), abs=1e-5)
    assert scores[0] == scores[4]  # the same image and caption
    twice = case.scorer.score(picked.select([2, 0]).select([1]), ["a cat"])
    assert twice.item() == pytest.approx(scores[0].item(), abs=1e-5)


def test_a_blank_caption_is_nan_and_leaves_its_neighbours_alone(case: Case) -> None:
    encoded = case.scorer.encode(case.visuals)
    captions = ["a dog", "", " ", "a cat"]
    scores = case.scorer.score(encoded, captions)
    assert torch.isnan(scores).tolist() == [False, *[not case.scores_blank] * 2, False]
    kept = case.scorer.score(encoded.select([0, 3]), ["a dog", "a cat"])
    assert scores[[0, 3]].tolist() == pytest.approx(kept.tolist(), abs=1e-5)


def test_nothing_to_score(case: Case) -> None:
    assert case.scorer.score(case.scorer.encode(case.visuals).select([]), []).shape == (0,)


def test_captions_and_images_must_be_as_many(case: Case) -> None:
    with pytest.raises(ValueError, match="2 captions for 4 encoded images"):
        case.scorer.score(case.scorer.encode(case.visuals), ["a", "b"])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("minclip", "unknown scorer 'minclip'; did you mean mini-clip"),
        ("clp", "did you mean clip"),
        ("bert", "Known: cider, clip, mini-clip"),
        ("no.such.module:Scorer", "there is no module no.such.module"),
        ("probing_vlp.scorers.cider:Missing", "has no Missing"),
    ],
)
def test_unknown_names(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_scorer(name)


def test_a_class_of_ones_own_needs_no_row() -> None:
    scorer = load_scorer("probing_vlp.scorers.cider:CiderScorer", corpus=references(2), end=False)
    assert isinstance(scorer, Scorer)


def test_cider_counts_the_end_of_captions_that_ended() -> None:
    scorer: Any = load_scorer("cider", corpus=references(3))
    encoded = scorer.encode(references(3)).select([1, 1, 1])
    whole, cut, default = scorer.score(encoded, ["a dog on mat 1"] * 3, ended=[True, False, True]).tolist()
    assert whole == default > cut
    silent: Any = load_scorer("cider", corpus=references(3), end=False)
    assert scorer.counts_end and not silent.counts_end


def test_cider_frequencies_from_a_data_source(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    rows = ["file_name,split,caption"]
    for i, split in enumerate(["train", "train", "val"]):
        (tmp_path / "images" / f"{i}.jpg").touch()
        rows += [f"{i}.jpg,{split},a dog on mat {i}", f"{i}.jpg,{split},number {i} is a cat"]
    (tmp_path / "captions.csv").write_text("\n".join(rows) + "\n")
    scorer = load_scorer("cider", corpus=f"{tmp_path / 'images'},{tmp_path / 'captions.csv'}")
    same = load_scorer("cider", corpus=references(2))  # the train split: images 0 and 1
    captions = ["a dog on mat 2", "number 0 is a mat"]
    scores = [s.score(s.encode(references(3)).select([2, 0]), captions).tolist() for s in (scorer, same)]
    assert scores[0] == scores[1]
