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
from pathlib import Path
from zlib import crc32

from probing_vlp.errors import UserError
from probing_vlp.taxonomy.language.corpus import keep_out
from probing_vlp.taxonomy.language.options import LMConfig
from probing_vlp.taxonomy.language.worlds import names_of
from probing_vlp.taxonomy.records import Taxonomy

UNSEEN = 20
"""One image in so many, by a hash of its id, gives its captions to the tests and not to the text."""


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
