"""Options of `train.py scorer`, and which trainer an architecture is for."""

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
    align_steps: int = 500
    """Steps that align the text layers and the image layers by themselves."""
    match_steps: int = 1000
    """Steps that train the whole model with hard negatives after that."""
    batch_size: int = 256
    """Images, each with one of its captions, a step of alignment."""
    match_batch: int = 64
    """Images, each with one of its captions, a step of matching."""
    negatives: int = 3
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
    validate_every: int = 250
    """Steps from one validation, log line and checkpoint to the next."""
    validate_images: int = 150
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
class ScorerOptions(ScorerConfig):
    """Options of `train.py scorer`: word to learning_rate are those of mini-clip and clip, matching the others'."""

    arch: Literal["mini-clip", "uniter", "rosita", "vilbert", "lxmert", "clip"] = "mini-clip"
    """What to train: mini-clip and clip on --data.features, the region models on --data.regions."""
    matching: MatchingOptions = field(default_factory=MatchingOptions)
    """Of the region models."""


SHARED = ("run", "data", "min_count", "seed", "resume", "precision", "export", "arch")


def run(options: ScorerOptions) -> None:
    """Train the scorer that the options ask for; UserError for options of another architecture."""
    regions = options.arch in REGION_MODELS
    plain = {each.name: getattr(options, each.name) for each in dataclasses.fields(ScorerConfig)}
    default = ScorerOptions()
    foreign = ["matching"] if not regions else [key for key in plain if key not in SHARED]
    for key in foreign:
        if getattr(options, key) != getattr(default, key):
            group = "matching." if regions else "the options before "
            raise UserError(f"--{key} is not an option of --arch {options.arch}; it takes --{group}... (see --help)")
    if options.arch != "mini-clip" and options.run == default.run:
        plain["run"] = options.run = f"runs/scorer-{options.arch}"
    trainer = importlib.import_module(TRAINERS[options.arch])
    trainer.run(options if regions else ScorerConfig(**plain))
