"""A contrastive dual encoder small enough for a laptop: frozen image features on one side, a GRU on the other.

    image vector = unit(W LayerNorm(feature)),  text vector = unit(mean over words of GRU(words), projected)

The score is their cosine, in [-1, 1].  The GRU makes it depend on word order; the mean over words keeps long captions
comparable with short ones.  It is a mini model, trained on a few thousand captions by `train.py scorer`
(training/contrastive.py): what it takes for a match is worth probing, and is not what CLIP takes for one.

A saved scorer is a folder with `mini-clip.safetensors` and `mini-clip.json`: sizes, vocabulary, backbone, provenance.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

from probing_vlp.data.text import tokenize
from probing_vlp.data.vocabulary import Vocabulary
from probing_vlp.errors import UserError
from probing_vlp.files import atomic_write, read_bytes
from probing_vlp.records import FeatureVector
from probing_vlp.scorers._cosine import cosine_scores
from probing_vlp.scorers.base import TensorEncoded

SHIPPED = Path(__file__).parents[1] / "assets" / "mini-clip"
REMEDY = "train one with: python train.py scorer"


@dataclass(frozen=True)
class Sizes:
    """Widths of the towers; `vocabulary` counts the padding and the unknown word."""

    features: int
    vocabulary: int
    word: int = 128
    hidden: int = 192
    joint: int = 256


class MiniClip(nn.Module):
    """The two towers and the learned temperature."""

    def __init__(self, sizes: Sizes, dropout: float = 0.0) -> None:
        super().__init__()
        self.sizes = sizes
        self.image = nn.Sequential(
            nn.LayerNorm(sizes.features), nn.Dropout(dropout), nn.Linear(sizes.features, sizes.joint)
        )
        self.words = nn.Embedding(sizes.vocabulary, sizes.word, padding_idx=0)
        self.dropout = nn.Dropout(dropout)
        self.gru = nn.GRU(sizes.word, sizes.hidden, batch_first=True)
        self.text = nn.Linear(sizes.hidden, sizes.joint)
        self.log_scale = nn.Parameter(torch.tensor(1 / 0.07).log())

    def forward(self, features: torch.Tensor, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Image vectors, text vectors and the logit scale."""
        return self.image_vectors(features), self.text_vectors(tokens), self.scale()

    def scale(self) -> torch.Tensor:
        """One over the learned temperature, 100 at most as in CLIP."""
        return self.log_scale.exp().clamp(max=100)

    def image_vectors(self, features: torch.Tensor) -> torch.Tensor:
        """(B, D) features to (B, E) of length one."""
        return functional.normalize(self.image(features), dim=1)

    def text_vectors(self, tokens: torch.Tensor) -> torch.Tensor:
        """(B, T) word ids, 0 from the end on, to (B, E) of length one; a row without words is NaN."""
        count = (tokens > 0).sum(dim=1)
        packed = pack_padded_sequence(
            self.dropout(self.words(tokens)), count.clamp(min=1).cpu(), batch_first=True, enforce_sorted=False
        )  # the GRU never sees padding, which is half of a batch
        states, _ = pad_packed_sequence(self.gru(packed)[0], batch_first=True)  # (B, T, H), zeros for padding
        mean = states.sum(dim=1) / torch.where(count > 0, count, torch.nan)[:, None]
        return functional.normalize(self.text(mean), dim=1)


class MiniClipScorer:
    """Cosine of a saved `MiniClip`; without `checkpoint`, of the one that comes with the project."""

    name, visual, unit = "mini-clip", "features", "cosine"
    mini = True  # reports say so

    def __init__(self, device: torch.device | str = "cpu", checkpoint: str | Path = SHIPPED) -> None:
        self.device = torch.device(device)
        model, self.about = load_mini_clip(Path(checkpoint))
        self.model = model.to(self.device).eval().requires_grad_(False)
        self.backbone: str = self.about["backbone"]
        self._vocabulary = Vocabulary(tuple(self.about["words"]))

    def encode(self, visuals: Sequence[FeatureVector]) -> TensorEncoded:
        """(B, E) image vectors from features of the backbone that the scorer was trained on."""
        width = self.model.sizes.features
        for visual in visuals:
            if visual.backbone != self.backbone or visual.vector.shape != (width,):
                raise UserError(
                    f"image {visual.image_id}: this mini-clip reads {self.backbone} features of width "
                    f"{width}, not {visual.backbone} of width {visual.vector.shape[-1]}; {REMEDY}"
                )
        if not visuals:
            return TensorEncoded(torch.zeros(0, self.model.sizes.joint, device=self.device))
        features = torch.stack([torch.from_numpy(visual.vector) for visual in visuals])
        with torch.inference_mode():
            return TensorEncoded(self.model.image_vectors(features.to(self.device, torch.float32)))

    def score(self, encoded: TensorEncoded, captions: Sequence[str]) -> torch.Tensor:
        """(B,) float32 in [-1, 1]; NaN for a caption without words."""
        with torch.inference_mode():
            return cosine_scores(encoded, captions, self._embed)

    def _embed(self, captions: list[str]) -> torch.Tensor:
        tokens = pad_tokens([self._vocabulary.encode(tokenize(caption)) for caption in captions])
        return self.model.text_vectors(tokens.to(self.device))


def pad_tokens(captions: Sequence[Sequence[int]]) -> torch.Tensor:
    """(B, T) int64, padded with 0 to the longest caption and no further."""
    rows = pad_sequence([torch.tensor(ids, dtype=torch.long) for ids in captions], batch_first=True)
    return rows if rows.shape[1] else rows.new_zeros(len(captions), 1)


def save_mini_clip(
    folder: Path, model: MiniClip, words: Sequence[str], backbone: str, provenance: Mapping[str, Any]
) -> None:
    """Write the weights, then the JSON that names their hash: a folder cut between the two is noticed."""
    weights = save({key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()})
    about = {
        "format": "mini-clip",
        "version": 1,
        "sizes": asdict(model.sizes),
        "backbone": backbone,
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "provenance": dict(provenance),
        "words": list(words),
    }
    atomic_write(folder / "mini-clip.safetensors", weights)
    atomic_write(folder / "mini-clip.json", (json.dumps(about, indent=1, ensure_ascii=False) + "\n").encode())


def load_mini_clip(folder: Path) -> tuple[MiniClip, dict[str, Any]]:
    """The model in evaluation mode, and its JSON.  Raises UserError for a file that is missing, foreign or cut."""
    path = folder / "mini-clip.json"
    try:
        about = json.loads(read_bytes(path, "mini-clip description", REMEDY))
        model = MiniClip(Sizes(**about["sizes"]))
        weights = read_bytes(folder / "mini-clip.safetensors", "mini-clip weights", REMEDY)
        if hashlib.sha256(weights).hexdigest() != about["weights_sha256"]:
            raise UserError(f"{folder / 'mini-clip.safetensors'}: not the weights that {path.name} names; {REMEDY}")
        model.load_state_dict(load(weights))
    except (ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise UserError(f"{path}: not a mini-clip of this version ({error}); {REMEDY}") from None
    return model.eval(), about
