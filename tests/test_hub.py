"""Loading transformers checkpoints: what is missing, left over, foreign, cut or not to be had is one line."""

import json
import shutil
from pathlib import Path

import pytest
import torch
import transformers
from hub_toys import CAPTIONS, save_blip, save_llava
from safetensors.torch import load_file, save_file
from scorer_toys import pictures

from probing_vlp.errors import UserError
from probing_vlp.hub import is_hub_id, load_model
from probing_vlp.scorers.blip import BlipScorer
from probing_vlp.scorers.siglip import SiglipScorer
from probing_vlp.scorers.vqa_score import VqaScorer


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_blip(tmp_path_factory.mktemp("blip"))


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "blip"))


def change(folder: Path, drop: str = "", add: dict[str, torch.Tensor] | None = None) -> None:
    state = load_file(folder / "model.safetensors")
    state.pop(drop, None)
    save_file({**state, **(add or {})}, folder / "model.safetensors", {"format": "pt"})


def test_weights_missing_left_over_and_of_another_size(folder: Path) -> None:
    change(folder, "itm_head.weight", {"itm.weight": torch.zeros(2), "vision_proj.bias": torch.zeros(3)})
    told = (
        "does not fit BlipForImageTextRetrieval: missing: itm_head.weight; unexpected: itm.weight; "
        r"of another size: vision_proj.bias \(3,\) instead of \(8,\)"
    )
    with pytest.raises(UserError, match=told):
        BlipScorer(folder)


def test_position_ids_of_older_files_are_no_weights(whole: Path, folder: Path, tmp_path: Path) -> None:
    change(folder, add={"text_encoder.embeddings.position_ids": torch.arange(64)[None]})
    images = pictures(tmp_path, len(CAPTIONS))
    now, older = (s.score(s.encode(images), CAPTIONS) for s in (BlipScorer(whole), BlipScorer(folder)))
    assert torch.equal(now, older)


def test_tied_weights_are_not_missing(tmp_path: Path) -> None:
    folder = save_llava(tmp_path, tied=True)
    assert not [key for key in load_file(folder / "model.safetensors") if "lm_head" in key]
    model, _ = load_model(folder, "AutoModelForImageTextToText", (), "cpu", "float32")
    assert torch.equal(model.lm_head.weight, model.get_input_embeddings().weight)


def test_weights_are_stored_in_bfloat16(whole: Path, tmp_path: Path) -> None:
    scorer = BlipScorer(whole, dtype="bfloat16")
    assert {parameter.dtype for parameter in scorer.network.parameters()} == {torch.bfloat16}
    images = pictures(tmp_path, len(CAPTIONS))
    full, half = (s.score(s.encode(images), CAPTIONS) for s in (BlipScorer(whole), scorer))
    assert half.dtype == torch.float32 and torch.allclose(full, half, atol=0.05)


def test_another_model(whole: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"config\.json says it is a blip; here a siglip or siglip2 is needed"):
        SiglipScorer(whole)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match="it names no model_type"):
        BlipScorer(tmp_path)
    with pytest.raises(UserError, match="not one of float32, bfloat16, float64"):
        BlipScorer(whole, dtype="int8")


def test_files_that_are_absent_or_cut(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere: no such folder; give a hub id, or a folder that holds config.json"):
        BlipScorer(tmp_path / "nowhere")
    with pytest.raises(UserError, match="is a file; give the folder"):
        BlipScorer(folder / "model.safetensors")
    (folder / "preprocessor_config.json").rename(folder / "away.json")
    with pytest.raises(UserError, match=r"cannot be loaded .*; a folder holds config.json"):
        BlipScorer(folder)
    (folder / "away.json").rename(folder / "preprocessor_config.json")
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(UserError, match="cannot be loaded"):
        BlipScorer(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(UserError, match="cannot be loaded"):
        BlipScorer(folder)


def test_a_hub_id_while_offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    told = (
        r"could not be had from the hub .* `hf download Salesforce/blip-itm-base-coco --local-dir FOLDER`, bring FOLDER"
    )
    for make in (BlipScorer, VqaScorer):
        with pytest.raises(UserError, match=told):
            make("Salesforce/blip-itm-base-coco")


def test_the_hub_is_not_asked_again_and_again(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("probing_vlp.hub.getproxies", dict)
    monkeypatch.setattr("probing_vlp.hub._known", lambda host: False)
    with pytest.raises(UserError, match="could not be had from the hub"):
        BlipScorer("Salesforce/blip-itm-base-coco")
    assert "etry" not in capfd.readouterr().err and not huggingface_hub.constants.HF_HUB_OFFLINE


def test_weights_that_are_not_used_may_be_missing_or_left_over(tmp_path: Path) -> None:
    config = transformers.BertConfig(
        vocab_size=30, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8
    )
    transformers.BertModel(config, add_pooling_layer=False).save_pretrained(tmp_path)
    transformers.BertTokenizerFast(vocab={"[UNK]": 0, "[PAD]": 1, "a": 2}).save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"missing: pooler.dense.bias, pooler.dense.weight"):
        load_model(tmp_path, "BertModel", ["bert"], "cpu", "float32", "AutoTokenizer")
    _, tokenizer = load_model(tmp_path, "BertModel", ["bert"], "cpu", "float32", "AutoTokenizer", [r"^pooler\."])
    assert tokenizer.tokenize("a") == ["a"]


def test_what_looks_like_a_hub_id(tmp_path: Path) -> None:
    assert is_hub_id("openai/clip-vit-base-patch32") and is_hub_id("gpt2")
    assert not any(
        map(is_hub_id, [tmp_path, "weights/clip.pt", "a/b/c", "/a/b", "../a", "a b/c", str(tmp_path / "no")])
    )


def test_a_broken_config(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["num_attention_heads"] = 5
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="cannot be loaded"):
        BlipScorer(folder)
