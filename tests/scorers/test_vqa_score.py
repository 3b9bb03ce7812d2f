"""VQAScore on tiny random models saved in the real format, against transformers' own processor and forward."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hub_toys import CAPTIONS, hf, save_blip2, save_idefics, save_llava, save_qwen
from PIL import Image
from scorer_toys import pictures

from probing_vlp.errors import UserError
from probing_vlp.records import Pixels
from probing_vlp.scorers.vqa_score import TEMPLATE, VqaScorer


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Pixels]:
    return pictures(tmp_path_factory.mktemp("images"), len(CAPTIONS))


@pytest.fixture(scope="module")
def llava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_llava(tmp_path_factory.mktemp("llava"))


def own_probabilities(folder: Path, images: list[Pixels], frame: str | None, **more: Any) -> torch.Tensor:
    """(B, V) of the next token, one pair at a time, through the chat template or in a `frame`."""
    model = hf.AutoModelForImageTextToText.from_pretrained(folder).eval()
    processor: Any = hf.AutoProcessor.from_pretrained(folder)
    rows = []
    for image, caption in zip(images, CAPTIONS, strict=True):
        question, picture = TEMPLATE.format(caption), Image.open(image.path).convert("RGB")
        if frame is None:
            content = [{"type": "image", "image": picture}, {"type": "text", "text": question}]
            inputs = processor.apply_chat_template(
                [{"role": "user", "content": content}],
                add_generation_prompt=True,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
            )
        else:
            inputs = processor(text=[frame.format(question)], images=[picture], return_tensors="pt")
        with torch.inference_mode():
            rows.append(model(**inputs, **more).logits[0, -1].softmax(-1))
    return torch.stack(rows)


def token(folder: Path, word: str) -> int:
    found: int = hf.AutoTokenizer.from_pretrained(folder).convert_tokens_to_ids(word)
    return found


def scores(scorer: VqaScorer, images: list[Pixels]) -> torch.Tensor:
    return scorer.score(scorer.encode(images), CAPTIONS)


def test_scores_are_those_of_transformers(llava: Path, images: list[Pixels]) -> None:
    probabilities = own_probabilities(llava, images, frame=None)
    yes, no = probabilities[:, token(llava, "Yes")], probabilities[:, token(llava, "No")]
    scorer = VqaScorer(llava)
    assert torch.allclose(scores(scorer, images), yes, atol=1e-5)
    assert torch.allclose(scores(VqaScorer(llava, normalise=True), images), yes / (yes + no), atol=1e-5)
    small = probabilities[:, token(llava, "yes")]
    assert torch.allclose(scores(VqaScorer(llava, answer="yes", other="no"), images), small, atol=1e-5)


def test_the_vision_tower_runs_once_an_image(
    llava: Path, images: list[Pixels], monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer: Any = VqaScorer(llava)
    encoded = scorer.encode(images)
    item = encoded.items[0]["image"]["pixel_values"]
    assert item.untyped_storage().nbytes() == 4  # its shape alone is kept
    expected = scorer.score(encoded, CAPTIONS)
    seen = []
    monkeypatch.setattr(scorer._model.base_model.vision_tower, "forward", lambda *a, **k: seen.append(a))
    assert torch.equal(scorer.score(encoded, CAPTIONS), expected) and not seen


def test_without_a_chat_template(images: list[Pixels], tmp_path: Path) -> None:
    folder = save_llava(tmp_path, chat=False)
    expected = own_probabilities(folder, images, "<image>\n{}")[:, token(folder, "Yes")]
    assert torch.allclose(scores(VqaScorer(folder), images), expected, atol=1e-5)


@pytest.mark.parametrize("save", [save_qwen, save_idefics])
def test_images_of_many_sizes(save: Callable[[Path], Path], images: list[Pixels], tmp_path: Path) -> None:
    """As many patches or tiles as each image needs; all of them in one row in Qwen2-VL."""
    folder = save(tmp_path)
    Image.effect_noise((120, 60), 90).convert("RGB").save(tmp_path / "wide.png")
    shown = [*images[:-1], Pixels(9, tmp_path / "wide.png")]
    expected = own_probabilities(folder, shown, frame=None)[:, token(folder, "Yes")]
    scorer: Any = VqaScorer(folder)
    assert torch.allclose(scores(scorer, shown), expected, atol=1e-5)
    assert scorer._keeps


def test_an_encoder_and_a_decoder(images: list[Pixels], tmp_path: Path) -> None:
    """BLIP-2 with T5: the answer is the decoder's first token, and the processor puts the image in itself."""
    folder = save_blip2(tmp_path)
    start = torch.zeros(1, 1, dtype=torch.long)
    expected = own_probabilities(folder, images, "{}", decoder_input_ids=start)[:, token(folder, "yes")]
    assert torch.allclose(scores(VqaScorer(folder, answer="yes", other="no"), images), expected, atol=1e-5)


def test_captions_that_mean_harm(llava: Path, images: list[Pixels]) -> None:
    scorer = VqaScorer(llava)
    encoded = scorer.encode(images[:3])
    captions = ["a <image> dog", "{} a dog {0}", "dog " * 2500]
    assert not torch.isnan(scorer.score(encoded, captions)).any()
    assert scorer.score(encoded.select([0]), captions[:1]) == scorer.score(encoded.select([0]), ["a   dog"])


def test_bad_options(llava: Path) -> None:
    with pytest.raises(UserError, match=r"the template 'Is it so' has no {} where the caption goes"):
        VqaScorer(llava, template="Is it so?"[:-1])
    with pytest.raises(UserError, match="'Yes indeed' is not one token of this model"):
        VqaScorer(llava, answer="Yes indeed")
