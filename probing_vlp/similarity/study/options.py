"""Options of a run: which words, models, conditions, targets and layers, and how numbers are made of them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from probing_vlp.errors import UserError, check_least

Article = Literal["paper", "correct"]


def _models() -> dict[str, str]:
    return {"minilm": "minilm", "mini-clip": "mini-clip", "caption-pairs": "caption-pairs"}


@dataclass
class SimilarityConfig:
    """Options of `probe.py similarity run`."""

    out: Path = Path("runs/similarity")
    """Folder for the results and the report."""
    models: dict[str, str] = field(default_factory=_models)
    """What a model is called here, and what it is: minilm, mini-clip, caption-pairs, captioner:RUN, static:FILE, a
    folder or hub id of transformers, or your own package.module:Class."""
    images: list[str] = field(default_factory=lambda: ["mini-clip"])
    """Which of them were trained with images."""
    counterparts: dict[str, str] = field(default_factory=lambda: {"mini-clip": "caption-pairs"})
    """For a model trained with images, the same architecture trained without: such pairs say what images did."""
    untrained: int = 3
    """Untrained twins of every model: how many seeds; 0 for none."""
    words: Path | None = None
    """CSV with columns word and category; default: the paper's 320 nouns if $PROBING_VLP_DATA has them, else the
    project's own."""
    conditions: list[str] = field(
        default_factory=lambda: ["isolated", "neutral", "caption-like", "caption-like-shared"]
    )
    """isolated, neutral, caption-like, generic-caption-like, caption-like-shared (one caption-like sentence of every
    category, the same for all words), or conditions of --templates."""
    templates: Path | None = None
    """Your own sentences: YAML or CSV."""
    article: Article = "paper"
    """How a or an is chosen: as in the paper, or correctly."""
    include_special: bool = False
    """Bare words: the mean over all tokens, as in the paper."""
    targets: list[str] = field(default_factory=lambda: ["lancaster", "categories"])
    """lancaster, categories, or files: ratings, embeddings, distances, FILE:COLUMN for categories."""
    ratings: str = ""
    """CSV or xlsx of ratings, the target `attributes`; default: the 65 of $PROBING_VLP_DATA if it has them; none for
    none."""
    drop: list[str] = field(default_factory=lambda: ["Standard", "Category"])
    """Columns of ratings that are none."""
    brain: str = ""
    """Participants' similarity matrices, the target `brain`: a folder, a pattern with *, or a file with a stack."""
    brain_words: Path | None = None
    """Words of the rows of text matrices that have no names."""
    experiential: str = ""
    """The target that stands for experience, taken out of the models before they are compared with other targets; by
    default `attributes` if it is there, else the first ratings; none for none."""
    subsets: list[str] = field(default_factory=list)
    """all, objects, events, categories; by default all that the words have."""
    layer_modes: list[str] = field(default_factory=lambda: ["crossvalidated"])
    """crossvalidated (chosen on half of the words, scored on the other), best3 (the paper's, circular), fixed."""
    layer: str = "last"
    """For fixed: a layer's name, its number, first or last."""
    splits: int = 5
    """Cuts into halves, for crossvalidated."""
    bootstrap: int = 1000
    """Draws of words behind an interval."""
    permutations: int = 1000
    """Permutations of words behind a p."""
    seed: int = 1
    """Of halves, draws and permutations."""
    batch_size: int = 32
    """Sentences at a time; no number depends on it."""
    device: str = "cpu"
    """Where encoders run."""
    cache: Path | None = None
    """Where vectors are kept; default: $PROBING_VLP_CACHE or ~/.cache/probing_vlp."""

    def __post_init__(self) -> None:
        check_least(self, 0, "untrained", "bootstrap", "permutations")
        check_least(self, 1, "splits", "batch_size")
        for name, wanted in (
            ("models", self.models),
            ("conditions", self.conditions),
            ("layer_modes", self.layer_modes),
        ):
            if not wanted:
                raise UserError(f"--{name}: none given")
            if twice := [one for place, one in enumerate(wanted) if one in list(wanted)[:place]]:
                raise UserError(f"--{name}: '{twice[0]}' stands twice")
        known = {*self.models, *_models()}
        for option, names in (("images", self.images), ("counterparts", sum(self.counterparts.items(), ()))):
            if strangers := [name for name in names if name not in known]:
                raise UserError(f"--{option}: '{strangers[0]}' is none of the models {', '.join(self.models)}")
