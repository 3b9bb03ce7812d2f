"""A small CLIP to train: open_clip's own class, its image trunk frozen, its projection and its transformer of text
learned.

The trunk is timm's EfficientNet-Lite0 with the weights of the backbone `efficientnet-lite0`: what it pools is the
feature vector that `probe.py features` writes, so training reads those, and the saved scorer looks at pixels.  The
folder is one of open_clip's (open_clip_config.json, open_clip_model.safetensors), for the scorer `clip`.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional

from probing_vlp.data.backbones import load_backbone
from probing_vlp.data.captions import CaptionData
from probing_vlp.data.visuals import open_visuals
from probing_vlp.errors import UserError
from probing_vlp.files import atomic_write
from probing_vlp.scorers._mini import write_mini
from probing_vlp.scorers._open_clip import TextTower
from probing_vlp.torchvision_cpu import ensure_torchvision
from probing_vlp.training.contrastive import Pairs, ScorerConfig, Task, check_splits, train_task

BACKBONE, TRUNK = "efficientnet-lite0", "tf_efficientnet_lite0"
CONTEXT, LAYERS, HEADS = 40, 2, 4


def description(joint: int, hidden: int) -> dict[str, Any]:
    """open_clip_config.json: vectors `joint` wide, a transformer of text `hidden` wide."""
    text = {"context_length": CONTEXT, "vocab_size": 49408, "width": hidden, "heads": HEADS, "layers": LAYERS}
    vision = {
        "timm_model_name": TRUNK,
        "timm_model_pretrained": False,
        "timm_pool": "avg",
        "timm_proj": "linear",
        "image_size": 224,
    }
    preprocess = {
        "mean": [127 / 255] * 3,
        "std": [128 / 255] * 3,
        "interpolation": "bicubic",
        "resize_mode": "squash",
    }
    return {
        "model_cfg": {"embed_dim": joint, "vision_cfg": vision, "text_cfg": text},
        "preprocess_cfg": preprocess,
    }


class SmallClip(nn.Module):
    """The part of a CLIP that learns: what stands behind the trunk, the tower of text, the temperature."""

    def __init__(self, joint: int, hidden: int, dropout: float) -> None:
        super().__init__()
        ensure_torchvision()
        import open_clip

        if hidden % HEADS:
            raise UserError(f"--clip.hidden {hidden}: must be a multiple of {HEADS}, the heads of attention")
        self.about = description(joint, hidden)
        clip: Any = open_clip.model.CLIP(**self.about["model_cfg"])
        self.head, clip.visual = clip.visual.head, nn.Identity()
        self.dropout = nn.Dropout(dropout)
        clip.token_embedding.register_forward_hook(lambda _, ids, words: self.dropout(words))
        self.tower = TextTower(clip)

    def forward(self, features: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Image vectors, text vectors and the logit scale."""
        return self.image_vectors(features), self.text_vectors(tokens), self.scale()

    def scale(self) -> Tensor:
        """One over the learned temperature, 100 at most as in CLIP."""
        scale: Tensor = self.tower.model.logit_scale.exp().clamp(max=100)
        return scale

    def image_vectors(self, features: Tensor) -> Tensor:
        """(B, E) of length one from what the trunk pools, (B, D)."""
        return functional.normalize(self.head(self.dropout(features)), dim=1)

    def text_vectors(self, tokens: Tensor) -> Tensor:
        """(B, E) of length one from token ids (B, T), zeros behind."""
        whole = functional.pad(tokens, (0, CONTEXT - tokens.shape[1]))
        return functional.normalize(self.tower.encode(whole), dim=1)


def clip_pairs(data: CaptionData, split: str) -> Pairs:
    """Captions as written; in training also in lower case without marks, as captioners write."""
    import open_clip

    images = data.split(split)
    texts = [list(data.captions[image.image_id]) for image in images]
    if split == "train":
        for image, own in zip(images, texts, strict=True):
            own += [" ".join(words) for words in data.tokens[image.image_id]]
    tokens = open_clip.SimpleTokenizer(context_length=CONTEXT)([text for own in texts for text in own])
    return Pairs(images, tokens.numpy(), np.repeat(np.arange(len(images)), [len(own) for own in texts]))


def save_small_clip(folder: Path, model: SmallClip, provenance: Mapping[str, Any]) -> None:
    """Write open_clip's folder: the trunk's weights and the learned ones."""
    trunk = trunk_weights()
    learned = {key.removeprefix("model."): value for key, value in model.tower.state_dict().items()}
    head = {f"visual.head.{key}": value for key, value in model.head.state_dict().items()}
    weights = {key: value.detach().cpu().contiguous() for key, value in {**trunk, **head, **learned}.items()}
    atomic_write(folder / "open_clip_model.safetensors", save(weights))
    atomic_write(folder / "open_clip_config.json", (json.dumps(model.about, indent=1) + "\n").encode())
    write_mini(folder, "clip", {"checkpoint": "."}, {"backbone": BACKBONE, "provenance": dict(provenance)})


def trunk_weights() -> dict[str, Tensor]:
    """The backbone's weights by timm's names; both list the same layers in the same order."""
    import timm

    theirs = timm.create_model(TRUNK, num_classes=0).state_dict()
    ours = {k: v for k, v in load_backbone(BACKBONE).network.state_dict().items() if not k.startswith("_fc.")}
    if [v.shape for v in theirs.values()] != [v.shape for v in ours.values()]:
        raise RuntimeError(f"timm's {TRUNK} has other layers than the backbone {BACKBONE}")
    return {f"visual.trunk.{key}": value for key, value in zip(theirs, ours.values(), strict=True)}


def run(config: ScorerConfig) -> None:
    """Train a small CLIP as mini-clip is: `hidden` is the width of its tower of text, `joint` that of its vectors."""
    ensure_torchvision()
    source = open_visuals(config.data)
    assert source.store is not None  # open_visuals asks for features
    store = check_splits(source.data, source.store)
    if store.backbone != BACKBONE:
        raise UserError(
            f"{config.data.features}: {store.backbone} features, but the small CLIP's trunk is {BACKBONE}; make them "
            f"with: python probe.py features --backbone {BACKBONE}"
        )
    pairs = {split: clip_pairs(source.data, split) for split in source.data.splits}

    def task() -> Task:
        model = SmallClip(config.joint, config.hidden, config.dropout)

        def save_to(folder: Path, provenance: Mapping[str, Any]) -> None:
            save_small_clip(folder, model, provenance)

        return Task("clip", model, pairs, store, "clip-bpe-49408", save_to, (1, 5, 10))

    train_task(config, task)
