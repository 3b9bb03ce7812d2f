"""CLIP through transformers, on a tiny random model saved in the real format."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hub_toys import CAPTIONS, hf, save_clip
from PIL import Image
from scorer_toys import pictures, save_toy_clip

from probing_vlp.errors import UserError
from probing_vlp.records import Pixels
from probing_vlp.scorers.clip import ClipScorer, of_transformers


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Pixels]:
    return pictures(tmp_path_factory.mktemp("images"), len(CAPTIONS))


def own_cosines(folder: Path, images: list[Pixels]) -> torch.Tensor:
    """One pair at a time, padded to 77."""
    model = hf.CLIPModel.from_pretrained(folder)
    processor: Any = hf.AutoProcessor.from_pretrained(folder)
    cosines = []
    for image, caption in zip(images, CAPTIONS, strict=True):
        inputs = processor(images=Image.open(image.path), text=[caption], padding="max_length", return_tensors="pt")
        assert inputs["input_ids"].shape == (1, 77)
        with torch.inference_mode():
            cosines.append(model(**inputs).logits_per_image.item() / model.logit_scale.exp().item())
    return torch.tensor(cosines)


def test_scores_are_those_of_transformers(folder: Path, images: list[Pixels]) -> None:
    scorer = ClipScorer(checkpoint=folder)
    assert torch.allclose(scorer.score(scorer.encode(images), CAPTIONS), own_cosines(folder, images), atol=1e-5)


def test_files_that_name_the_wrong_end(images: list[Pixels], tmp_path: Path) -> None:
    """OpenAI's config.json says that the end is token 2; transformers then takes the largest id, which is the end."""
    folder = save_clip(tmp_path, eos_token_id=2)
    scorer = ClipScorer(checkpoint=folder)
    assert torch.allclose(scorer.score(scorer.encode(images), CAPTIONS), own_cosines(folder, images), atol=1e-5)


def test_text_is_cut_to_the_longest_caption(
    folder: Path, images: list[Pixels], monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer: Any = ClipScorer(checkpoint=folder)
    encoded = scorer.encode(images)
    seen: list[tuple[int, ...]] = []
    forward = scorer._towers.model.text_model.forward
    monkeypatch.setattr(
        scorer._towers.model.text_model,
        "forward",
        lambda **given: seen.append(tuple(given["input_ids"].shape)) or forward(**given),
    )
    scorer.score(encoded.select([0, 1, 2, 3]), ["dog", "dog dog", "dog", "dog dog dog"])
    assert seen == [(1, 3), (2, 5)]  # three distinct captions: begin, one dog, end; begin, two or three dogs, end


def test_long_captions_are_cut_at_77_tokens(folder: Path, images: list[Pixels]) -> None:
    scorer = ClipScorer(checkpoint=folder)
    encoded = scorer.encode(images[:1]).select([0, 0])
    shorter, longer = scorer.score(encoded, ["dog " * 75, "dog " * 2500]).tolist()
    assert shorter == pytest.approx(longer, abs=1e-6)


def test_which_library_reads_it(folder: Path, tmp_path: Path) -> None:
    assert of_transformers(folder) and of_transformers("openai/clip-vit-base-patch32")
    _, weights = save_toy_clip(tmp_path)
    assert not of_transformers(weights) and not of_transformers(tmp_path) and not of_transformers(tmp_path / "no.pt")
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "open_clip_config.json").write_text("{}")
    (tmp_path / "open_clip_model.safetensors").touch()
    assert not of_transformers(tmp_path)  # a repository of both: the weights there are open_clip's


def test_another_model(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "siglip"}')
    with pytest.raises(UserError, match=r"config\.json says it is a siglip; here a clip is needed"):
        ClipScorer(checkpoint=tmp_path)
