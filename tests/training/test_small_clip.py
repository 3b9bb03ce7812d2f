"""The small CLIP of the zoo: what training sees of an image is what the saved scorer sees in its pixels."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Picture

from probing_vlp.data.backbones import load_backbone
from probing_vlp.data.features import FeatureIndex, FeatureWriter
from probing_vlp.data.visuals import DataConfig
from probing_vlp.errors import UserError
from probing_vlp.records import Pixels
from probing_vlp.scorers import load_scorer
from probing_vlp.training.options import ClipOptions, ScorerOptions, run
from probing_vlp.training.small_clip import BACKBONE, SmallClip

COLOURS = {"red": (250, 20, 20), "green": (20, 250, 20), "blue": (20, 20, 250)}
COUNT = 15


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fifteen pictures of one colour each and what the backbone makes of them."""
    folder = tmp_path_factory.mktemp("photographs")
    (folder / "images").mkdir()
    backbone, names, features = load_backbone(BACKBONE), [f"{i}.png" for i in range(COUNT)], []
    rows = ["image_id,file_name,split,caption"]
    generator = np.random.default_rng(0)
    for i, name in enumerate(names):
        colour = list(COLOURS)[i % 3]
        noise = generator.integers(-20, 20, (30, 40, 3))
        pixels = np.clip(np.array(COLOURS[colour]) + noise, 0, 255).astype(np.uint8)
        Picture.fromarray(pixels).save(folder / "images" / name)
        with Picture.open(folder / "images" / name) as picture:
            features.append(backbone.encode(backbone.preprocess(picture.convert("RGB"))[None]))
        split = ("train", "train", "train", "val", "test")[i // 3]
        rows += [f"{i},{name},{split},Something {colour}!", f"{i},{name},{split},a {colour} thing"]
    (folder / "captions.csv").write_text("\n".join(rows) + "\n")
    writer = FeatureWriter(
        folder / "features", FeatureIndex(BACKBONE, 1280, "float32", tuple(range(COUNT)), tuple(names))
    )
    writer.write(torch.cat(features).numpy())
    writer.finish()
    return folder


def options(photographs: Path, run_folder: Path) -> ScorerOptions:
    data = DataConfig(f"{photographs / 'images'},{photographs / 'captions.csv'}", str(photographs / "features"))
    clip = ClipOptions(hidden=16, joint=8, dropout=0.1, batch_size=9, epochs=8, patience=8, learning_rate=0.01)
    return ScorerOptions(run=str(run_folder), data=data, arch="clip", clip=clip)


def test_learns_and_the_saved_scorer_sees_the_same_in_pixels(
    photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[SmallClip] = []
    init = SmallClip.__init__

    def remembered(model: SmallClip, *given: Any) -> None:
        init(model, *given)
        kept.append(model)

    monkeypatch.setattr(SmallClip, "__init__", remembered)
    run(options(photographs, tmp_path / "run"))
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert log[-1]["loss"] < log[0]["loss"]
    scorer: Any = load_scorer("clip", checkpoint=tmp_path / "run" / "scorer")
    assert scorer.mini["note"] == "mini, trained here"
    captions = ["Something red!", "a green thing", "something blue"]
    shown = scorer.encode([Pixels(i, photographs / "images" / f"{i}.png") for i in (12, 13, 14)])
    import open_clip

    model = kept[0].eval()
    features = torch.from_numpy(np.load(photographs / "features" / "features.npy")[12:])
    with torch.inference_mode():
        texts = model.text_vectors(open_clip.SimpleTokenizer(context_length=40)(captions))
        cosines = (model.image_vectors(features) * texts).sum(1)
    assert scorer.score(shown, captions).tolist() == pytest.approx(cosines.tolist(), abs=1e-5)


def test_features_of_another_backbone_are_refused(photographs: Path, tmp_path: Path) -> None:
    writer = FeatureWriter(
        tmp_path / "other",
        FeatureIndex("other", 4, "float32", tuple(range(COUNT)), tuple(f"{i}.png" for i in range(COUNT))),
    )
    writer.write(np.zeros((COUNT, 4), np.float32))
    writer.finish()
    wrong = options(photographs, tmp_path / "run")
    wrong.data.features = str(tmp_path / "other")
    with pytest.raises(UserError, match="other features, but the small CLIP's trunk is efficientnet-lite0"):
        run(wrong)
