"""BLIP on a tiny random model saved in the real format, against transformers' own forward."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hub_toys import CAPTIONS, hf, save_blip
from PIL import Image
from scorer_toys import pictures

from probing_vlp.errors import UserError
from probing_vlp.records import Pixels
from probing_vlp.scorers.blip import BlipScorer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_blip(tmp_path_factory.mktemp("blip"))


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Pixels]:
    return pictures(tmp_path_factory.mktemp("images"), len(CAPTIONS))


def own_outputs(folder: Path, images: list[Pixels], itm: bool, first: int | None = None) -> torch.Tensor:
    """One pair at a time through BlipForImageTextRetrieval: (B, 2) matching logits, or (B, 1) cosines."""
    model = hf.BlipForImageTextRetrieval.from_pretrained(folder)
    processor: Any = hf.AutoProcessor.from_pretrained(folder)
    outputs = []
    for image, caption in zip(images, CAPTIONS, strict=True):
        inputs = processor(images=Image.open(image.path), text=caption, return_tensors="pt")
        if first is not None:
            inputs["input_ids"][:, 0] = first
        with torch.inference_mode():
            outputs.append(model(**inputs, use_itm_head=itm).itm_score)
    return torch.cat(outputs)


def scores(folder: Path, images: list[Pixels], **options: Any) -> torch.Tensor:
    scorer = BlipScorer(folder, **options)
    return scorer.score(scorer.encode(images), CAPTIONS)


def test_scores_are_those_of_transformers(folder: Path, images: list[Pixels]) -> None:
    logits = own_outputs(folder, images, itm=True)
    assert torch.allclose(scores(folder, images), logits.softmax(1)[:, 1], atol=1e-5)
    assert torch.allclose(scores(folder, images, score="logit"), logits[:, 1], atol=1e-5)
    assert torch.allclose(scores(folder, images, score="cosine"), own_outputs(folder, images, False)[:, 0], atol=1e-5)


def test_the_authors_first_token(folder: Path, images: list[Pixels]) -> None:
    enc = hf.AutoConfig.from_pretrained(folder).text_config.vocab_size - 1
    expected = own_outputs(folder, images, True, enc).softmax(1)[:, 1]
    assert torch.allclose(scores(folder, images, first="enc"), expected, atol=1e-5)
    assert not torch.allclose(scores(folder, images), expected, atol=1e-3)


def test_float64(folder: Path, images: list[Pixels]) -> None:
    assert torch.allclose(scores(folder, images, dtype="float64"), scores(folder, images), atol=1e-6)


def test_long_captions_are_cut(folder: Path, images: list[Pixels]) -> None:
    scorer = BlipScorer(folder)
    encoded = scorer.encode(images[:1]).select([0, 0])
    shorter, longer = scorer.score(encoded, ["dog " * 62, "dog " * 2500]).tolist()  # 62 words and two marks: 64 places
    assert shorter == pytest.approx(longer, abs=1e-6)


def test_bad_options(folder: Path) -> None:
    with pytest.raises(UserError, match="blip: no score 'rank'; there are match, logit, cosine"):
        BlipScorer(folder, score="rank")
    with pytest.raises(UserError, match="first 'sep' is not one of cls, enc"):
        BlipScorer(folder, first="sep")
