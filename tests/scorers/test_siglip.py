"""SigLIP on tiny random models saved in the real format, against transformers' own forward."""

from pathlib import Path

import pytest
import torch
from hub_toys import CAPTIONS, hf, save_siglip, save_siglip2
from PIL import Image
from scorer_toys import pictures

from probing_vlp.errors import UserError
from probing_vlp.records import Pixels
from probing_vlp.scorers.siglip import SiglipScorer


@pytest.fixture(scope="module", params=[save_siglip, save_siglip2])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = request.param(tmp_path_factory.mktemp("siglip"))
    return path


@pytest.fixture
def images(tmp_path: Path) -> list[Pixels]:
    return pictures(tmp_path, len(CAPTIONS))


def own_logit(folder: Path, image: Pixels, caption: str) -> float:
    model, processor = hf.AutoModel.from_pretrained(folder), hf.AutoProcessor.from_pretrained(folder)
    inputs = processor(
        images=Image.open(image.path),
        text=[caption],
        padding="max_length",
        max_length=64,
        truncation=True,
        return_tensors="pt",
    )
    with torch.inference_mode():
        logit: torch.Tensor = model(**inputs).logits_per_image
    return logit.item()


def test_scores_are_those_of_transformers(folder: Path, images: list[Pixels]) -> None:
    scorers = {score: SiglipScorer(folder, score=score) for score in ("match", "logit", "cosine")}
    scores = {key: scorer.score(scorer.encode(images), CAPTIONS) for key, scorer in scorers.items()}
    logits = torch.tensor([own_logit(folder, image, caption) for image, caption in zip(images, CAPTIONS, strict=True)])
    assert torch.allclose(scores["logit"], logits, atol=1e-5)
    assert torch.allclose(scores["match"], logits.sigmoid(), atol=1e-5)
    model = hf.AutoModel.from_pretrained(folder)
    cosine = (logits - model.logit_bias.detach()) / model.logit_scale.detach().exp()
    assert torch.allclose(scores["cosine"], cosine, atol=1e-5)
    assert [scorer.unit for scorer in scorers.values()] == ["probability", "logit", "cosine"]


def test_long_captions_are_cut_at_64_tokens(folder: Path, images: list[Pixels]) -> None:
    scorer = SiglipScorer(folder)
    encoded = scorer.encode(images[:1]).select([0, 0])
    shorter, longer = scorer.score(encoded, ["dog " * 63, "dog " * 2500]).tolist()  # 63 words and the end
    assert shorter == pytest.approx(longer, abs=1e-6)


def test_unknown_score(folder: Path) -> None:
    with pytest.raises(UserError, match="no score 'rank'; there are match, logit, cosine"):
        SiglipScorer(folder, score="rank")
