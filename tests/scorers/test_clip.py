"""CLIP through open_clip, on a tiny random model saved in the real formats; nothing is downloaded."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from scorer_toys import CLIP_CONFIG, pictures, save_toy_clip

from probing_vlp.errors import UserError
from probing_vlp.records import Pixels
from probing_vlp.scorers._open_clip import TextTower, text_lengths
from probing_vlp.scorers.clip import ClipScorer
from probing_vlp.torchvision_cpu import ensure_torchvision

ensure_torchvision()

CAPTIONS = ["a dog", "two dogs and a very small cat sit on a mat!", "a dog on a mat"]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return save_toy_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def config(files: tuple[Path, Path]) -> Path:
    return files[0]


@pytest.fixture
def weights(files: tuple[Path, Path]) -> Path:
    return files[1]


@pytest.fixture
def images(tmp_path: Path) -> list[Pixels]:
    return pictures(tmp_path, 3)


def make_tower(**text: Any) -> TextTower:
    from open_clip.model import CLIP, CustomTextCLIP

    torch.manual_seed(0)
    kind = CustomTextCLIP if text else CLIP
    return TextTower(kind(**{**CLIP_CONFIG, "text_cfg": {**CLIP_CONFIG["text_cfg"], **text}}).double().eval())  # type: ignore[dict-item]


@pytest.mark.parametrize("text", [{}, {"pool_type": "argmax"}])
def test_cutting_the_padding_is_exact(text: dict[str, Any]) -> None:
    from open_clip import tokenize

    tower = make_tower(**text)
    tokens = tokenize(CAPTIONS)
    assert tower.cuts
    with torch.inference_mode():
        assert torch.allclose(tower.encode(tokens), tower(tokens), atol=1e-12)


def test_a_tower_that_sees_its_padding_is_left_whole() -> None:
    from open_clip import tokenize

    tower = make_tower(no_causal_mask=True, pool_type="last")
    assert not tower.cuts
    with torch.inference_mode():
        assert torch.equal(tower.encode(tokenize(CAPTIONS)), tower(tokenize(CAPTIONS)))


def test_text_lengths_count_the_word_whose_id_is_zero() -> None:
    # begin, "!" (id 0), end, padding
    assert text_lengths(torch.tensor([[49406, 0, 49407, 0, 0], [49406, 5, 6, 7, 49407]])).tolist() == [3, 5]


def test_scores_are_cosines_of_the_whole_model(config: Path, weights: Path, images: list[Pixels]) -> None:
    import open_clip

    scorer = ClipScorer(config=config, checkpoint=weights)
    model, _, preprocess = open_clip.create_model_and_transforms("toy-for-tests", str(weights))
    with torch.inference_mode():
        pixels = torch.stack([preprocess(Image.open(visual.path)) for visual in images])
        picture = model.eval().encode_image(pixels, normalize=True)
        text = model.encode_text(open_clip.tokenize(CAPTIONS), normalize=True)
    expected = (picture * text).sum(1)
    assert torch.allclose(scorer.score(scorer.encode(images), CAPTIONS), expected, atol=1e-5)


def test_long_captions_are_truncated_as_the_tokenizer_does(config: Path, weights: Path, images: list[Pixels]) -> None:
    scorer = ClipScorer(config=config, checkpoint=weights)
    encoded = scorer.encode(images[:1]).select([0, 0])
    shorter, longer = scorer.score(encoded, ["dog " * 75, "dog " * 200]).tolist()  # 75 words and two marks fill the 77
    assert shorter == pytest.approx(longer, abs=1e-6)


def test_prompt_and_bfloat16(config: Path, weights: Path, images: list[Pixels]) -> None:
    plain = ClipScorer(config=config, checkpoint=weights)
    prompted = ClipScorer(config=config, checkpoint=weights, prompt="A photo depicts ")
    encoded = plain.encode(images[:1])
    assert prompted.score(encoded, ["a dog"]).tolist() == plain.score(encoded, ["A photo depicts a dog"]).tolist()
    half = ClipScorer(config=config, checkpoint=weights, dtype="bfloat16")
    assert half.score(half.encode(images[:1]), ["a dog"]).item() == pytest.approx(
        plain.score(encoded, ["a dog"]).item(), abs=0.02
    )  # 8 bits of mantissa


def test_a_folder_as_open_clip_publishes_it(config: Path, weights: Path, images: list[Pixels], tmp_path: Path) -> None:
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": CLIP_CONFIG, "preprocess_cfg": {}}))
    save_file(torch.load(weights, weights_only=True), tmp_path / "open_clip_model.safetensors")
    folder, file = ClipScorer(checkpoint=tmp_path), ClipScorer(config=config, checkpoint=weights)
    assert folder.score(folder.encode(images), CAPTIONS).tolist() == file.score(file.encode(images), CAPTIONS).tolist()


def without_projection(state: dict[str, Any]) -> dict[str, Any]:
    state["text_proj"] = state.pop("text_projection")
    return state


def other_width(state: dict[str, Any]) -> dict[str, Any]:
    state["text_projection"] = state["text_projection"][:, :4]
    return state


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (without_projection, "missing: text_projection; unexpected: text_proj"),
        (other_width, "cannot be loaded into this architecture"),
    ],
)
def test_weights_that_do_not_fit(
    config: Path, weights: Path, tmp_path: Path, change: Callable[[dict[str, Any]], dict[str, Any]], complaint: str
) -> None:
    torch.save(change(torch.load(weights, weights_only=True)), tmp_path / "other.pt")
    with pytest.raises(UserError, match=complaint):
        ClipScorer(config=config, checkpoint=tmp_path / "other.pt")


class Foreign:
    """Anything but tensors: unpickling it would run code."""


def test_bad_input(config: Path, weights: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown architecture 'VIT-B-32'; did you mean ViT-B-32"):
        ClipScorer(arch="VIT-B-32")
    with pytest.raises(UserError, match="unknown pretrained tag of ViT-B-32 'laion2b'; did you mean laion2b_"):
        ClipScorer(pretrained="laion2b")
    with pytest.raises(UserError, match="no such CLIP weights"):
        ClipScorer(checkpoint=tmp_path / "nowhere.pt")
    with pytest.raises(UserError, match="no such open_clip description"):
        ClipScorer(checkpoint=tmp_path)
    with pytest.raises(UserError, match="it has no text_cfg"):
        (tmp_path / "half.json").write_text(json.dumps({"embed_dim": 8, "vision_cfg": {}}))
        ClipScorer(config=tmp_path / "half.json")
    with pytest.raises(UserError, match="dtype 'int8' is not one of float32, bfloat16"):
        ClipScorer(dtype="int8")
    torch.save({"state_dict": Foreign()}, tmp_path / "pickle.pt")
    with pytest.raises(UserError, match="cannot be loaded"):
        ClipScorer(config=config, checkpoint=tmp_path / "pickle.pt")


def test_weights_that_cannot_be_downloaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    told = r"weights 'laion2b_s34b_b79k' of ViT-B-32 could not be had \(.*option checkpoint"
    with pytest.raises(UserError, match=told):
        ClipScorer(pretrained="laion2b_s34b_b79k")


def test_images_that_cannot_be_read(config: Path, weights: Path, images: list[Pixels], tmp_path: Path) -> None:
    scorer = ClipScorer(config=config, checkpoint=weights)
    with pytest.raises(UserError, match=r"gone\.jpg: no such image"):
        scorer.encode([Pixels(1, tmp_path / "gone.jpg")])
    Image.new("RGB", (64, 64), "red").save(tmp_path / "cut.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "cut.jpg").read_bytes()[:-200])
    with pytest.raises(UserError, match=r"cut\.jpg: not a whole image"):
        scorer.encode([*images, Pixels(1, tmp_path / "cut.jpg")])
