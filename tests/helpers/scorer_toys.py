"""Tiny scorers with random weights, saved in the real formats, and images for them."""

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from probing_vlp.records import FeatureVector, Pixels, References
from probing_vlp.scorers.mini_clip import MiniClip, Sizes, save_mini_clip
from probing_vlp.torchvision_cpu import ensure_torchvision

WORDS = ("a", "dog", "on", "cat", "mat")
SIZES = Sizes(features=6, vocabulary=len(WORDS) + 2, word=5, hidden=7, joint=4)
CLIP_CONFIG = {
    "embed_dim": 8,
    "vision_cfg": {"image_size": 16, "layers": 1, "width": 16, "patch_size": 8, "head_width": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 8, "heads": 2, "layers": 2},
}


def save_toy_mini_clip(folder: Path) -> Path:
    """A random mini-clip over WORDS."""
    torch.manual_seed(0)
    save_mini_clip(folder, MiniClip(SIZES), WORDS, "toy", {"seed": 0})
    return folder


def save_toy_clip(folder: Path) -> tuple[Path, Path]:
    """The config and the state dict of a random CLIP."""
    ensure_torchvision()
    import open_clip

    config, weights = folder / "toy-for-tests.json", folder / "toy.pt"
    config.write_text(json.dumps(CLIP_CONFIG))
    open_clip.add_model_config(config)
    torch.manual_seed(0)
    torch.save(open_clip.create_model(config.stem).state_dict(), weights)
    return config, weights


def feature_vectors(count: int) -> list[FeatureVector]:
    """Features that the toy mini-clip reads."""
    rows = np.random.default_rng(1).random((count, SIZES.features), dtype=np.float32)
    return [FeatureVector(i, row, "toy") for i, row in enumerate(rows)]


def pictures(folder: Path, count: int) -> list[Pixels]:
    """Files of noise."""
    noise = np.random.default_rng(1).integers(0, 256, (count, 20, 24, 3), dtype=np.uint8)
    for i, pixels in enumerate(noise):
        Image.fromarray(pixels).save(folder / f"{i}.png")
    return [Pixels(i, folder / f"{i}.png") for i in range(count)]


def references(count: int) -> list[References]:
    """Two captions an image; the image's number is a word."""
    return [References(i, (f"A dog on mat {i}.", f"number {i} is a cat")) for i in range(count)]
