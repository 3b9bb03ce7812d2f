"""Tiny random language models, image encoders and photographs in the real formats, for the taxonomy probe's tests."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from hub_toys import hf, image_processor, spread
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from probing_vlp.taxonomy.model.features import Table
from probing_vlp.taxonomy.model.language_models import LanguageModel, load_language_model

FRAME = ["Is", "there", "a", "in", "this", "image", "?", "Yes", "No", "an"]
WORDS = [*FRAME, "dog", "cat", "crow", "animal", "bird", "tool", "saw", "hammer", "mammal", "thing"]
SIZES = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 64,
}


def save_llama(folder: Path, **more: Any) -> Path:
    """A Llama over whole words, with tokens for the beginning and the end of a text."""
    special = ["<unk>", "<s>", "</s>"]
    words = Tokenizer(models.WordLevel({w: i for i, w in enumerate([*special, *WORDS])}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    _save_tokenizer(folder, words, unk_token="<unk>", bos_token="<s>", eos_token="</s>")
    config = hf.LlamaConfig(vocab_size=len(special) + len(WORDS), **SIZES, bos_token_id=1, eos_token_id=2, **more)
    return _save(folder, hf.LlamaForCausalLM, config)


def save_qwen(folder: Path) -> Path:
    """A Qwen3 over single bytes: no token begins a text, and "Yes" is four of them."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = Tokenizer(models.BPE({piece: i for i, piece in enumerate([*alphabet, "<|endoftext|>"])}, []))
    pieces.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    pieces.decoder = decoders.ByteLevel()
    _save_tokenizer(folder, pieces, eos_token="<|endoftext|>", pad_token="<|endoftext|>")
    config = hf.Qwen3Config(vocab_size=len(alphabet) + 1, head_dim=8, **SIZES)
    return _save(folder, hf.Qwen3ForCausalLM, config)


def _save_tokenizer(folder: Path, tokenizer: Tokenizer, **special: str) -> None:
    hf.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder)


def _save(folder: Path, kind: Any, config: Any, seed: int = 0) -> Path:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        spread(kind(config), seed).save_pretrained(folder)
    return folder


def llama(folder: Path, **options: Any) -> LanguageModel:
    return load_language_model(str(save_llama(folder)), **options)


VISION = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 3, "num_attention_heads": 2}


def save_dinov2(folder: Path, seed: int = 0) -> Path:
    """DINOv2 as transformers keeps it: made for 28 px, its processor cuts 14 out of the middle."""
    config = hf.Dinov2Config(image_size=28, patch_size=7, mlp_ratio=2, **{**VISION, "intermediate_size": None})
    _save(folder, hf.Dinov2Model, config, seed)
    size = {"size": {"shortest_edge": 16}, "crop_size": {"height": 14, "width": 14}, "do_center_crop": True}
    (folder / "preprocessor_config.json").write_text(json.dumps(image_processor("BitImageProcessor", **size)))
    return folder


def save_siglip(folder: Path) -> Path:
    """SigLIP as it is published: both halves in one file."""
    vision = {**VISION, "image_size": 16, "patch_size": 8}
    text = {**VISION, "vocab_size": 20, "max_position_embeddings": 8}
    _save(folder, hf.SiglipModel, hf.SiglipConfig(text_config=text, vision_config=vision))
    (folder / "preprocessor_config.json").write_text(json.dumps(image_processor("SiglipImageProcessor")))
    return folder


def save_things(folder: Path, leaves: list[str], images: int = 8) -> Path:
    """THINGS-style folders; a leaf has a colour of its own, an image its own noise."""
    for number, leaf in enumerate(leaves):
        (folder / leaf).mkdir(parents=True)
        colour = np.random.default_rng(number).integers(40, 216, 3)
        for each in range(images):
            noise = np.random.default_rng([number, each]).integers(-30, 30, (20, 24, 3))
            Image.fromarray((colour + noise).astype(np.uint8)).save(folder / leaf / f"{leaf}_{each:02}.png")
    return folder


class Features(Table):
    """A table in memory, one vector of its own for each name."""

    def __init__(self, names: list[str], tokens: int = 2, width: int = 5) -> None:
        generator = np.random.default_rng(0)
        object.__setattr__(self, "made", {n: generator.normal(size=(tokens, width)).astype("f4") for n in names})
        super().__init__(Path(), "toy", "toy", {name: ("", row) for row, name in enumerate(names)})

    def tokens(self, names: Any) -> np.ndarray:
        return np.stack([self.made[name] for name in names])  # type: ignore[attr-defined]


def question(image: str, concept: str, gold: bool) -> SimpleNamespace:
    return SimpleNamespace(image=image, gold=gold, text=f"Is there a {concept} in this image?")
