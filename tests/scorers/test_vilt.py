"""ViLT on a tiny random model saved in the real format, against transformers' own forward."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hub_toys import CAPTIONS, hf, save_vilt
from PIL import Image

from probing_vlp.records import Pixels
from probing_vlp.scorers.vilt import ViltScorer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_vilt(tmp_path_factory.mktemp("vilt"))


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Pixels]:
    """Square, wide and tall."""
    path, random = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    for i, size in enumerate([(20, 20), (20, 40), (50, 30), (20, 20), (18, 30)]):
        Image.fromarray(random.integers(0, 256, (*size, 3), dtype=np.uint8)).save(path / f"{i}.png")
    return [Pixels(i, path / f"{i}.png") for i in range(len(CAPTIONS))]


def own_ranks(folder: Path, images: list[Pixels]) -> torch.Tensor:
    model = hf.ViltForImageAndTextRetrieval.from_pretrained(folder)
    processor: Any = hf.AutoProcessor.from_pretrained(folder)
    with torch.inference_mode():
        return torch.cat(
            [
                model(**processor(images=Image.open(image.path), text=caption, return_tensors="pt")).logits[:, 0]
                for image, caption in zip(images, CAPTIONS, strict=True)
            ]
        )


def test_scores_are_those_of_transformers(folder: Path, images: list[Pixels]) -> None:
    scorer = ViltScorer(folder)
    encoded = scorer.encode(images)
    # a first token, and patches of 8 x 8: 16 x 16 gives 2 * 2, 16 x 24 gives 2 * 3, 20 x 40 is cut to 8 x 24
    assert encoded.counts.tolist() == [1 + 4, 1 + 3, 1 + 6, 1 + 4, 1 + 6]
    expected = own_ranks(folder, images)
    assert torch.allclose(scorer.score(encoded, CAPTIONS), expected, atol=1e-5)
    bounded = ViltScorer(folder, score="rank_sigmoid")
    assert torch.allclose(bounded.score(encoded, CAPTIONS), expected.sigmoid(), atol=1e-5)
    assert (scorer.unit, bounded.unit) == ("logit", "probability")


def test_long_captions_are_cut_at_40_tokens(folder: Path, images: list[Pixels]) -> None:
    scorer = ViltScorer(folder)
    encoded = scorer.encode(images[:1]).select([0, 0])
    shorter, longer = scorer.score(encoded, ["dog " * 38, "dog " * 2500]).tolist()
    assert shorter == pytest.approx(longer, abs=1e-6)
