"""Tiny random text encoders of every family, saved as their published files are, for the similarity probe."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hub_toys import TEXT, hf, save_clip, save_siglip, spread, write_json, write_word_pieces, write_words
from safetensors.torch import load_file, save_file
from tokenizers import pre_tokenizers

from probing_vlp.captioner.fc import FCCaptioner, FCConfig
from probing_vlp.checkpoints import Checkpoint
from probing_vlp.data.captions import CaptionData, tokens_of
from probing_vlp.records import Image
from probing_vlp.scorers.mini_clip import MiniClip, Sizes, save_mini_clip
from probing_vlp.similarity.encoders.base import Tokens
from probing_vlp.similarity.encoders.caption_pairs import Recipe, train
from probing_vlp.similarity.study.rows import NUMBERS, Row
from probing_vlp.similarity.words.templates import Filled

WORDS = ("dog", "cat", "mat", "sit")
CAPTIONS = ("a dog on a mat", "the dog sits", "a cat on a mat", "two cats", "a small dog", "a very small cat")


def write_bytes_pieces(folder: Path, kind: str, special: list[str]) -> int:
    """A byte-level BPE of three merges (vocab.json, merges.txt); the number of pieces."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = [*special, *letters, "do", "dog", "Ġdog"]
    write_json(folder / "vocab.json", {piece: i for i, piece in enumerate(pieces)})
    (folder / "merges.txt").write_text("#version: 0.2\nd o\ndo g\nĠ dog\n")
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": kind, "model_max_length": 96})
    return len(pieces)


def finish(folder: Path, model: Any) -> Path:
    spread(model).save_pretrained(folder)
    return folder


def save_bert(folder: Path, kind: str = "BertForMaskedLM") -> Path:
    """With a head, as most are published."""
    size = write_word_pieces(folder)
    config = hf.BertConfig(**TEXT, vocab_size=size, max_position_embeddings=96)
    torch.manual_seed(0)
    return finish(folder, getattr(hf, kind)(config))


def save_sentence_transformer(folder: Path) -> Path:
    """The older layout: the model in a sub-folder, and what comes behind it."""
    (folder / "0_Transformer").mkdir()
    save_bert(folder / "0_Transformer", "BertModel")
    kinds = {"0_Transformer": "Transformer", "1_Pooling": "Pooling"}
    rows = [{"path": path, "type": f"sentence_transformers.models.{kind}"} for path, kind in kinds.items()]
    write_json(folder / "modules.json", rows)
    return folder


def save_roberta(folder: Path) -> Path:
    size = write_bytes_pieces(folder, "RobertaTokenizer", ["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    torch.manual_seed(0)
    return finish(folder, hf.RobertaModel(hf.RobertaConfig(**TEXT, vocab_size=size, max_position_embeddings=98)))


def save_visual_bert(folder: Path) -> Path:
    size = write_word_pieces(folder)
    config = hf.VisualBertConfig(**TEXT, vocab_size=size, max_position_embeddings=96, visual_embedding_dim=8)
    torch.manual_seed(0)
    return finish(folder, hf.VisualBertForPreTraining(config))


def save_clap(folder: Path) -> Path:
    """A whole CLAP, as laion publishes it."""
    size = write_bytes_pieces(folder, "RobertaTokenizer", ["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    audio = {
        "patch_embeds_hidden_size": 8,
        "depths": [1, 1],
        "num_attention_heads": [1, 2],
        "num_mel_bins": 16,
        "spec_size": 32,
        "hidden_size": 16,
        "window_size": 2,
        "num_hidden_layers": 2,
        "patch_embed_input_channels": 1,
        "aff_block_r": 2,
    }
    text = {**TEXT, "vocab_size": size, "max_position_embeddings": 98, "projection_dim": 8}
    torch.manual_seed(0)
    return finish(folder, hf.ClapModel(hf.ClapConfig(text_config=text, audio_config=audio, projection_dim=8)))


def save_gpt2(folder: Path) -> Path:
    size = write_bytes_pieces(folder, "GPT2Tokenizer", ["<|endoftext|>"])
    config = hf.GPT2Config(
        n_embd=16, n_layer=2, n_head=2, n_positions=96, vocab_size=size, bos_token_id=0, eos_token_id=0
    )
    torch.manual_seed(0)
    return finish(folder, hf.GPT2LMHeadModel(config))


def save_llama(folder: Path) -> Path:
    size = write_words(folder, ["<unk>", "<pad>", "</s>"], ["Someone", "mentioned", "the"], model_max_length=96)
    config = hf.LlamaConfig(**TEXT, vocab_size=size, num_key_value_heads=1, max_position_embeddings=96)
    torch.manual_seed(0)
    return finish(folder, hf.LlamaForCausalLM(config))


def save_qwen3(folder: Path) -> Path:
    size = write_bytes_pieces(folder, "Qwen2Tokenizer", ["<|endoftext|>"])
    heads = {"num_key_value_heads": 1, "head_dim": 8, "max_position_embeddings": 96, "tie_word_embeddings": True}
    torch.manual_seed(0)
    return finish(folder, hf.Qwen3ForCausalLM(hf.Qwen3Config(**TEXT, vocab_size=size, **heads)))


def save_t5(folder: Path) -> Path:
    size = write_words(folder, ["<pad>", "</s>", "<unk>"], [], "</s>", model_max_length=96)
    sizes = {"d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 2, "num_heads": 2, "decoder_start_token_id": 0}
    torch.manual_seed(0)
    return finish(folder, hf.T5ForConditionalGeneration(hf.T5Config(vocab_size=size, pad_token_id=0, **sizes)))


def save_glove(folder: Path) -> Path:
    rows = np.random.default_rng(0).normal(size=(5, 6))
    lines = (f"{word} {' '.join(map(str, row))}" for word, row in zip([*WORDS, "ice_cream"], rows, strict=True))
    (folder / "glove.txt").write_text("\n".join(lines) + "\n")
    return folder / "glove.txt"


def save_vectors(folder: Path) -> Path:
    vectors = np.random.default_rng(1).normal(size=(4, 6)).astype(np.float32)
    np.savez(folder / "vectors.npz", words=np.array(WORDS), vectors=vectors)
    return folder / "vectors.npz"


def save_mini(folder: Path) -> Path:
    torch.manual_seed(0)
    save_mini_clip(folder, MiniClip(Sizes(4, 7, 6, 5, 7)), ["a", *WORDS], "toy", {})
    return folder


def save_captioner(folder: Path) -> Path:
    torch.manual_seed(0)
    config = FCConfig(hidden=8, embedding=6)
    model = FCCaptioner(4, len(WORDS) + 2, config)
    state = {"captioner": asdict(config), "feature_dim": 4, "backbone": "toy", "vocabulary": list(WORDS)}
    Checkpoint(Checkpoint.flatten(model=model.state_dict()), state).save(folder / "checkpoints" / "best.safetensors")
    return folder


def save_pairs(folder: Path) -> Path:
    """Trained for a moment on captions of six photographs."""
    images = tuple(Image(i, f"{i}.jpg", "train" if i < 4 else "val") for i in range(6))
    captions = {image.image_id: CAPTIONS[i % 6 :] + CAPTIONS[: i % 6] for i, image in enumerate(images)}
    data = CaptionData(images, captions, tokens_of(captions))
    path = folder / "pairs.safetensors"
    train(path, Recipe(epochs=2, steps=2, batch_size=3), data, Sizes(4, 8, 6, 5, 7), ["a", "on", *WORDS])
    return path


class Own:
    """A user's encoder: two layers of numbers made of letters."""

    has_twin = True
    layers = ("letters", "squares")
    name = "own"

    def __init__(self, checkpoint: str = "", untrained_seed: int | None = None, device: str = "cpu") -> None:
        rng = np.random.default_rng(untrained_seed or 0)
        self.seed, self.table = untrained_seed, torch.from_numpy(rng.normal(size=(128, 4))).float()
        self.identity, self.about = "own", dict[str, Any]()

    def tokens(self, filled: Filled) -> Tokens:
        return Tokens(tuple(filled.text.encode("ascii")), tuple(range(filled.start, filled.end)))

    def states(self, rows: np.ndarray) -> list[torch.Tensor]:
        found = self.table[torch.from_numpy(rows)]
        return [found, found**2]


MAKERS = {
    "bert": save_bert,
    "sentence-transformers": save_sentence_transformer,
    "roberta": save_roberta,
    "visual-bert": save_visual_bert,
    "clip": save_clip,
    "siglip": save_siglip,
    "clap": save_clap,
    "gpt2": save_gpt2,
    "llama": save_llama,
    "qwen3": save_qwen3,
    "t5": save_t5,
    "static": save_glove,
    "static-npz": save_vectors,
    "mini-clip": save_mini,
    "captioner": save_captioner,
    "caption-pairs": save_pairs,
}
PREFIX = {"caption-pairs": "caption-pairs:"}
"""Where the family cannot be seen from the file."""
NAMED = {"own": "similarity_toys:Own"}


def make_spec(case: str, folder: Path) -> str:
    """The string that names this case's encoder, made in an empty folder."""
    return NAMED.get(case) or PREFIX.get(case, "") + str(MAKERS[case](folder))


def change_weights(folder: Path, drop: str) -> None:
    """Take the weights whose names hold `drop` out of a folder."""
    state = load_file(folder / "model.safetensors")
    kept = {key: value for key, value in state.items() if drop not in key}
    assert len(kept) < len(state)
    save_file(kept, folder / "model.safetensors", {"format": "pt"})


def read_config(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "config.json").read_text()))


def check_same(found: Sequence[Row], wanted: Sequence[Row]) -> None:
    """The same rows, numbers to the last bits: those of a product hang on where its arrays lie in memory."""
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        told, asked = asdict(one), asdict(other)
        numbers = [np.array([row.pop(key) for key in NUMBERS], float) for row in (told, asked)]
        np.testing.assert_allclose(*numbers, rtol=1e-12, atol=1e-12)
        assert told == asked
