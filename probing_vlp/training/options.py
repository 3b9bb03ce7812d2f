"""Options of `train.py scorer`, and which trainer an architecture is for.

A region model is trained from the regions of photographs, a small CLIP from features of EfficientNet-Lite0, its frozen
image trunk; under eight minutes each on two cores for 3,428 photographs:

    python probe.py regions grid --data DIR --images DIR/images --cells 3 --out regions
    python train.py scorer --arch uniter --run runs/uniter --data.source DIR --data.regions regions
    python probe.py features --data DIR --images DIR/images --backbone efficientnet-lite0 --out features
    python train.py scorer --arch clip --run runs/clip --data.source DIR --data.features features
"""

import dataclasses
import importlib
from dataclasses import dataclass, field
from typing import Literal

from probing_vlp.errors import UserError, check_least, check_most
from probing_vlp.training.contrastive import ScorerConfig

REGION_MODELS = ("uniter", "rosita", "vilbert", "lxmert")
TRAINERS = {
    "mini-clip": "probing_vlp.training.contrastive",
    "clip": "probing_vlp.training.small_clip",
    **dict.fromkeys(REGION_MODELS, "probing_vlp.training.matching"),
}


@dataclass
class MatchingOptions:
    """Sizes and training of a small region model."""

    hidden: int = 128
    """Width of every layer; feed-forward parts are four times as wide."""
    layers: int = 2
    """Layers of a one-stream model; text layers of a two-stream model, which has one more of every other kind."""
    heads: int = 4
    """Heads of attention."""
    align_steps: int = 150
    """Steps that align the text layers and the image layers by themselves."""
    match_steps: int = 500
    """Steps that train the whole model with hard negatives after that."""
    batch_size: int = 256
    """Images, each with one of its captions, a step of alignment."""
    match_batch: int = 64
    """Images, each with one of its captions, a step of matching."""
    negatives: int = 2
    """Mismatched images of each caption, and mismatched captions of each image."""
    temperature: float = 0.1
    """Of the cosines by which negatives are drawn: the lower, the harder they are."""
    align_rate: float = 1e-3
    """Adam's learning rate in alignment."""
    learning_rate: float = 1e-3
    """Adam's learning rate in matching."""
    align_weight: float = 0.5
    """Of the alignment's loss beside that of matching."""
    feature_dropout: float = 0.3
    """Share of region features that training leaves out."""
    word_dropout: float = 0.1
    """Share of words that training makes unknown."""
    validate_every: int = 100
    """Steps from one validation, log line and checkpoint to the next."""
    validate_images: int = 100
    """Validation images, each with its first caption, of which every pair is scored."""

    def __post_init__(self) -> None:
        check_least(self, 1, "hidden", "layers", "heads", "match_steps", "negatives", "validate_every")
        check_least(self, 2, "batch_size", "match_batch", "validate_images")
        check_least(self, 0, "align_steps", "align_rate", "learning_rate", "align_weight")
        check_least(self, 1e-3, "temperature")
        check_least(self, 0, "feature_dropout", "word_dropout")
        check_most(self, 0.99, "feature_dropout", "word_dropout")
        if self.hidden % self.heads:
            raise UserError(f"--matching.hidden {self.hidden}: must be a multiple of --matching.heads {self.heads}")


@dataclass
class ClipOptions:
    """Sizes and training of a small CLIP; as for mini-clip, with what suits a transformer of text."""

    hidden: int = 128
    """Width of the transformer of text."""
    joint: int = 256
    """Width of the space that images and captions share."""
    dropout: float = 0.3
    """Share of image features and of word vector entries that training leaves out."""
    batch_size: int = 256
    """Captions a step, over all processes."""
    epochs: int = 4
    """Passes over the training captions, each in two forms, at most."""
    patience: int = 2
    """Stop after so many epochs without a better validation retrieval."""
    learning_rate: float = 1e-3
    """Adam's learning rate."""


@dataclass
class ScorerOptions(ScorerConfig):
    """Options of `train.py scorer`: `matching` are the region models', `clip` clip's, min_count to learning_rate
    mini-clip's."""

    arch: Literal["mini-clip", "uniter", "rosita", "vilbert", "lxmert", "clip"] = "mini-clip"
    """What to train: mini-clip and clip on --data.features, the region models on --data.regions."""
    matching: MatchingOptions = field(default_factory=MatchingOptions)
    """Of the region models."""
    clip: ClipOptions = field(default_factory=ClipOptions)
    """Of the small CLIP."""


MINI_CLIP = ("max_words", "word", "hidden", "joint", "dropout", "batch_size", "epochs", "patience", "learning_rate")
OTHERS = {
    "mini-clip": ("matching", "clip"),
    "clip": (*MINI_CLIP, "min_count", "matching"),
    **dict.fromkeys(REGION_MODELS, (*MINI_CLIP, "clip")),
}
"""Options that an architecture has no use for."""


def run(options: ScorerOptions) -> None:
    """Train the scorer that the options ask for; UserError for options of another architecture."""
    default = ScorerOptions()
    group = {"mini-clip": "", "clip": "clip"}.get(options.arch, "matching")
    for key in OTHERS[options.arch]:
        if getattr(options, key) != getattr(default, key):
            own = f"; its own are those of --{group}" if group else ""
            raise UserError(f"--{key} is no option of --arch {options.arch}{own}, see --help")
    if options.arch != "mini-clip" and options.run == default.run:
        options = dataclasses.replace(options, run=f"runs/scorer-{options.arch}")
    trainer = importlib.import_module(TRAINERS[options.arch])
    # mini-clip knows nothing of the rest, so that its runs are what they were before there was a zoo
    plain = {each.name: getattr(options, each.name) for each in dataclasses.fields(ScorerConfig)}
    plain |= vars(options.clip) if options.arch == "clip" else {}
    trainer.run(options if options.arch in REGION_MODELS else ScorerConfig(**plain))
