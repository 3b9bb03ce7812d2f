"""`train.py lm`: a small causal language model from text alone, in minutes on a CPU, for the taxonomy probe.

It learns captions, is-a sentences and yes/no questions about worlds in words (corpus.py), and some things it is never
told.  The folder is one of transformers' (LlamaForCausalLM, config.json, model.safetensors, a fast tokenizer with BOS
and EOS), so that it stands wherever a model of the hub may; beside them lies `knowledge.json`: what was told, what was
kept out, and how the model answers on either; and `lm-only.csv.gz`, those answers one by one (lm_only.py).

    python train.py lm                                   # COCO's captions, the 80 categories: runs/lm
    python train.py lm --out runs/lm-2 --seed 2 --unknown '[mammal, fruit]' --kept_out 0.2
    python train.py lm --wordnet /usr/share/wordnet      # with glosses, from WordNet's own files

This is a toy: what it shows is shown of it, and of no published model.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from zlib import crc32

from probing_vlp.errors import UserError, check_least, check_most
from probing_vlp.taxonomy.language.corpus import Amounts, KeptOut, keep_out
from probing_vlp.taxonomy.language.worlds import names_of
from probing_vlp.taxonomy.records import Taxonomy

UNSEEN = 20
"""One image in so many, by a hash of its id, gives its captions to the tests and not to the text."""


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


def run(config: LMConfig) -> None:
    """Write the text, train, test, save."""
    out = Path(config.out)
    if (out / "knowledge.json").exists():
        raise UserError(f"{out}: holds a language model already; give another --out, or remove it")
    if (out / "checkpoint.safetensors").exists() and not config.resume:
        raise UserError(f"{out}: holds a run that was not finished; give --resume to go on with it, or another --out")
    from probing_vlp.taxonomy.asking.taxonomies import load_taxonomy

    taxonomy = load_taxonomy(config.taxonomy)
    kept = keep_out(taxonomy, config.kept_out, config.unknown, config.seed)
    seen, unseen = load_captions(config.captions, config.without)
    glosses = load_glosses(config.wordnet, taxonomy, seen)
    import torch

    from probing_vlp.taxonomy.language.results import told
    from probing_vlp.taxonomy.language.training import train_and_test

    torch.set_num_threads(config.threads)

    knowledge = train_and_test(config, taxonomy, kept, seen, unseen, glosses)
    print(f"{out}: a language model, tested on text alone")
    print(told(knowledge["results"]))


def load_captions(source: str, without: str = "") -> tuple[list[str], list[str]]:
    """Captions to learn from and to test on; no image has some in both."""
    if source == "coco":
        from probing_vlp.data.embedded import coco_corpus

        pairs: Iterable[tuple[int, str]] = coco_corpus("train")
    else:
        pairs = _captions_of(source, "train")
    left_out = {image for image, _ in _captions_of(without)} if without else set()
    sides: tuple[list[str], list[str]] = ([], [])
    for image, text in pairs:
        if image not in left_out:
            sides[crc32(str(image).encode()) % UNSEEN == 0].append(text)
    if not sides[0]:
        raise UserError(f"--captions {source}: no caption is left to learn from")
    return sides


def _captions_of(source: str, split: str = "") -> list[tuple[int, str]]:
    from probing_vlp.data.splits import load_data

    data = load_data(source)
    images = data.split(split) if split else data.images
    return [(image.image_id, text) for image in images for text in data.captions[image.image_id]]


def load_glosses(folder: str, taxonomy: Taxonomy, captions: Sequence[str]) -> list[str]:
    """WordNet's sentences about the nouns of the taxonomy and of the captions; none without a folder, which is said."""
    if not folder:
        print("glosses: left out (--wordnet FOLDER takes them from WordNet's files)")
        return []
    from probing_vlp.data.text import tokenize
    from probing_vlp.taxonomy.language.wordnet import wordnet_sentences

    names = {name for group in (taxonomy.leaves, taxonomy.hypernyms) for c in group.values() for name in names_of(c)}
    sentences = wordnet_sentences(Path(folder), names | {word for text in captions[:20000] for word in tokenize(text)})
    print(f"glosses: {len(sentences)} sentences from {folder}")
    return sentences


def describe(config: LMConfig, taxonomy: Taxonomy, kept: KeptOut, corpus: dict[str, Any]) -> dict[str, Any]:
    """knowledge.json without its results: the same for the same options, wherever the folder lies."""
    recipe = asdict(replace(config, out="", resume=False))
    return {
        "taxonomy": taxonomy.name,
        "signature": taxonomy.signature,
        "kept_out": [list(pair) for pair in kept.pairs],
        "kept_out_false": [list(pair) for pair in kept.false_pairs],
        "unknown_hypernyms": list(kept.unknown),
        "corpus": corpus,
        "seed": config.seed,
        "config": {key: value for key, value in recipe.items() if key not in ("out", "resume")},
    }
