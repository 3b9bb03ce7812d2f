"""Options of `train.py lm`, and what a model says of its making."""

from dataclasses import asdict, dataclass, field
from typing import Any

from probing_vlp.errors import UserError, check_least, check_most
from probing_vlp.taxonomy.language.corpus import Amounts, KeptOut
from probing_vlp.taxonomy.records import Taxonomy


@dataclass
class LMConfig:
    """A small language model from text alone: minutes on a CPU; see also `probe.py taxonomy lm-only`."""

    out: str = "runs/lm"
    """Folder of the model."""
    resume: bool = False
    """Go on from the last checkpoint."""
    taxonomy: str = "coco"
    """What is what: coco (80 categories), or a CSV file with columns leaf,hypernym."""
    captions: str = "coco"
    """Text: coco (COCO 2014's training captions, which come with pycocoevalcap), or a data set: embedded, a Karpathy
    JSON, a folder of captions_{train,val,test}.json, IMAGES_DIR,captions.csv."""
    without: str = ""
    """A data set (as under captions) whose images' captions are left out of coco's: those of the experiment."""
    wordnet: str = ""
    """Folder of WordNet's index.noun and data.noun, for glosses and is-a sentences; without it there are none."""
    unknown: int | list[str] = 3
    """Hypernyms of whose names no word stands in the text: so many, drawn by seed, or their ids."""
    kept_out: float = 0.1
    """Share of the other (leaf, hypernym) pairs that no text names together."""
    amounts: Amounts = field(default_factory=Amounts)
    vocabulary: int = 4096
    """Words at most; rarer ones are <unk>."""
    width: int = 128
    """Numbers in a word vector."""
    inner: int = 256
    """Width inside the feed-forward part of a layer."""
    layers: int = 4
    """Layers."""
    heads: int = 4
    """Attention heads of a layer."""
    context: int = 512
    """Longest text, in tokens, with the tokens of an image."""
    epochs: int = 1
    """Passes over the text."""
    batch_tokens: int = 1536
    """Tokens a step."""
    easy: float = 0.15
    """Share of the first pass in which worlds grow from short to long."""
    learning_rate: float = 3e-3
    """The highest, after the rise; then half a cosine down to a twentieth of it."""
    warm_up: float = 0.05
    """Share of the steps over which the learning rate rises."""
    words: float = 0.2
    """Weight in the loss of a word that is read, where that of an answer is 1."""
    blend: float = 0.5
    """In half of the worlds each word vector takes up to this much of another's: practice for an image's tokens."""
    noise: float = 0.5
    """In the same worlds: noise, as a share of the size of the word vectors."""
    threads: int = 1
    """Threads in arithmetic; the model is too small to gain from more, and its last bits depend on them."""
    save_every: int = 200
    """Steps from one checkpoint to the next."""
    seed: int = 1
    """Of what is kept out, of the text and of the weights."""

    def __post_init__(self) -> None:
        positive = ("width", "inner", "layers", "heads", "epochs", "batch_tokens", "save_every", "threads")
        check_least(self, 1, *positive)
        check_least(self, 16, "vocabulary", "context")
        check_least(self, 0, "kept_out", "learning_rate", "warm_up", "easy", "words", "blend", "noise", "seed")
        check_most(self, 0.5, "kept_out", "easy")
        check_most(self, 1, "warm_up", "blend")
        if isinstance(self.unknown, int):
            check_least(self, 0, "unknown")
        if self.width % (2 * self.heads):
            raise UserError(f"--width {self.width}: must be a multiple of {2 * self.heads}, twice the heads")


def describe(config: LMConfig, taxonomy: Taxonomy, kept: KeptOut, corpus: dict[str, Any]) -> dict[str, Any]:
    """knowledge.json without its results: the same for the same options, wherever the folder lies."""
    return {
        "taxonomy": taxonomy.name,
        "signature": taxonomy.signature,
        "kept_out": [list(pair) for pair in kept.pairs],
        "kept_out_false": [list(pair) for pair in kept.false_pairs],
        "unknown_hypernyms": list(kept.unknown),
        "corpus": corpus,
        "seed": config.seed,
        "config": {key: value for key, value in asdict(config).items() if key not in ("out", "resume")},
    }
