"""The small dual encoder: what its score may and may not depend on, and its files."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scorer_toys import SIZES, feature_vectors, save_toy_mini_clip

from probing_vlp.data.visuals import DataConfig, open_visuals
from probing_vlp.errors import UserError
from probing_vlp.records import FeatureVector
from probing_vlp.scorers.mini_clip import MiniClip, MiniClipScorer, load_mini_clip, pad_tokens


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save_toy_mini_clip(tmp_path)


def test_padding_does_not_change_a_text_vector() -> None:
    torch.manual_seed(0)
    model = MiniClip(SIZES).double().eval()
    alone = model.text_vectors(torch.tensor([[1, 2, 3]]))
    padded = model.text_vectors(torch.tensor([[1, 2, 3, 0, 0, 0], [4, 5, 1, 2, 3, 4]]))
    assert torch.allclose(alone[0], padded[0], atol=1e-12)


def test_the_score_depends_on_word_order(folder: Path) -> None:
    scorer = MiniClipScorer(checkpoint=folder)
    encoded = scorer.encode(feature_vectors(1) * 2)
    there, back = scorer.score(encoded, ["dog on cat", "cat on dog"]).tolist()
    assert abs(there - back) > 1e-4


def test_the_score_is_the_cosine_of_the_towers(folder: Path) -> None:
    model, _ = load_mini_clip(folder)
    feature = torch.from_numpy(feature_vectors(1)[0].vector)[None]
    images, texts, scale = model(feature, torch.tensor([[1, 2, 6]]))  # 6: the unknown word
    assert images.norm().item() == pytest.approx(1)
    assert texts.norm().item() == pytest.approx(1)
    assert scale.item() == pytest.approx(1 / 0.07)
    scorer = MiniClipScorer(checkpoint=folder)
    score = scorer.score(scorer.encode(feature_vectors(1)), ["A dog, zebra!"])
    assert score.item() == pytest.approx((images @ texts.T).item())


def test_captions_without_words_are_not_scored(folder: Path) -> None:
    scorer = MiniClipScorer(checkpoint=folder)
    encoded = scorer.encode(feature_vectors(1)).select([0] * 4)
    assert torch.isnan(scorer.score(encoded, ["", " ", "?!", "zebra"])).tolist() == [True, True, True, False]
    assert torch.isnan(scorer.score(encoded, ["?!"] * 4)).all()  # none has a word


def test_pad_tokens_stops_at_the_longest() -> None:
    assert pad_tokens([[1, 2], [3]]).tolist() == [[1, 2], [3, 0]]
    assert pad_tokens([[]]).tolist() == [[0]]


def test_wrong_features(folder: Path) -> None:
    scorer = MiniClipScorer(checkpoint=folder)
    with pytest.raises(UserError, match="reads toy features of width 6, not toy of width 5"):
        scorer.encode([FeatureVector(3, np.zeros(5, np.float32), "toy")])
    with pytest.raises(UserError, match=r"image 3: .* not resnet101 of width 6"):
        scorer.encode([FeatureVector(3, np.zeros(6, np.float32), "resnet101")])


def test_broken_folders(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no such mini-clip description; train one with: python train\.py scorer"):
        MiniClipScorer(checkpoint=tmp_path / "nowhere")
    weights, about = folder / "mini-clip.safetensors", folder / "mini-clip.json"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1])
    with pytest.raises(UserError, match=r"not the weights that mini-clip\.json names"):
        MiniClipScorer(checkpoint=folder)
    weights.write_bytes(whole)
    description = json.loads(about.read_text())
    for broken in (
        "{",
        "[]",
        json.dumps({**description, "sizes": {}}),
        json.dumps({**description, "sizes": {**description["sizes"], "word": 6}}),
    ):
        about.write_text(broken)
        with pytest.raises(UserError, match="not a mini-clip of this version"):
            MiniClipScorer(checkpoint=folder)


def test_the_shipped_scorer_tells_test_images_apart() -> None:
    source = open_visuals(DataConfig())
    scorer = MiniClipScorer()
    assert source.store is not None and scorer.backbone == source.store.backbone
    images = source.data.split("test")
    encoded = scorer.encode(source.get("features", images))
    captions = [source.data.captions[image.image_id][0] for image in images]
    own = scorer.score(encoded, captions)
    foreign = scorer.score(encoded, captions[1:] + captions[:1])
    assert (own > foreign).float().mean() > 0.9  # 0.5 by chance
    shuffled = scorer.score(encoded, [" ".join(sorted(caption.split())) for caption in captions])
    assert (own - shuffled).abs().mean() > 0.01  # word order counts
