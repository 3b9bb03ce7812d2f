"""`probe.py taxonomy lm-only`: what a language model knows of a taxonomy by text alone, the paper's LM-only baseline.

    python probe.py taxonomy lm-only --lm runs/lm
    python probe.py taxonomy lm-only --lm Qwen/Qwen3-0.6B --taxonomy things-pairs.csv --negatives 7 --out qwen.csv.gz

truths    "Is it true that dogs are animals?" in four phrasings, for every (leaf, hypernym) pair that holds and for
          hypernyms that the leaf has not: all of them, or `negatives` of them drawn for each leaf
worlds    "A dog. Is there an animal in this image?", once for every pair that holds and once for a hypernym drawn from
          those that the leaf has not: what a model that is shown images relies on
captions  (`train.py lm` only) questions about captions that the model has not read

The answers are items (items.py): condition "lm-only", test "lm-only" (truths), "lm-world", "lm-captions" or
"lm-leaves" (of captions: leaves); concept is what is asked about, leaf the leaf, image the phrasing or the world.
logp_yes and logp_no are sums over the tokens of "Yes" and "No"; the prediction follows the `rule` (lm_scoring.py).

Paper: all four phrasings are scored by a language model (OLMo-3-7B there) and the likeliest, by mean log probability a
token, is kept: `phrasing: best`, with the model itself as the judge.  Here all four are kept unless that is asked for.
Deviations: a row's concept is the hypernym that is asked about, where the paper files an item's negatives under its
positive hypernym; negatives are not drawn anew for each hypernym of a leaf.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from zlib import crc32

import numpy as np

from probing_vlp.errors import UserError, check_least
from probing_vlp.taxonomy.answers.items import Item, write_items
from probing_vlp.taxonomy.language.corpus import PHRASINGS, KeptOut, truth_question
from probing_vlp.taxonomy.language.worlds import Asker, Names, caption_worlds
from probing_vlp.taxonomy.prompts import ANSWERS, question_text
from probing_vlp.taxonomy.records import Taxonomy

if TYPE_CHECKING:
    from probing_vlp.taxonomy.language.scoring import Answerer

TRUTHS, WORLDS, CAPTIONS, LEAVES = "lm-only", "lm-world", "lm-captions", "lm-leaves"


@dataclass
class LMOnlyConfig:
    """What a language model knows of a taxonomy, by questions in text alone."""

    lm: str = "runs/lm"
    """A causal language model: a folder of `train.py lm` or of transformers, or a hub id."""
    taxonomy: str = "coco"
    """coco, or a CSV file with columns leaf,hypernym."""
    out: str = "lm-only.csv.gz"
    """File of the answers, a line each; gzip if it ends in .gz."""
    negatives: int = 0
    """Wrong hypernyms that each leaf is asked about; 0: all of them."""
    phrasing: Literal["all", "best"] = "all"
    """all four phrasings of a question, or the one that the model finds likeliest."""
    rule: Literal["ranks", "sums"] = "ranks"
    """Yes by the better rank of Yes and yes against No and no (where these are single tokens), or by summed log
    probabilities."""
    chat: bool = True
    """Use the tokenizer's chat template if it has one."""
    worlds: bool = True
    """Also ask about worlds of one leaf: "A dog. Is there an animal in this image?"."""
    device: str = "cpu"
    """cpu, cuda, ..."""
    dtype: str = "float32"
    """How weights are stored: float32, bfloat16 or float64."""
    batch_size: int = 64
    """Questions at a time; changes no answer."""
    seed: int = 1
    """Of the wrong hypernyms that are drawn."""

    def __post_init__(self) -> None:
        check_least(self, 0, "negatives", "seed")
        check_least(self, 1, "batch_size")


def run(config: LMOnlyConfig) -> None:
    """Ask, write the answers, say how good they are."""
    from probing_vlp.data.extract import pick_device
    from probing_vlp.taxonomy.asking.taxonomies import load_taxonomy
    from probing_vlp.taxonomy.language.results import read_kept, results, told
    from probing_vlp.taxonomy.language.scoring import Answerer
    from probing_vlp.taxonomy.model.language_models import load_language_model

    if Path(config.out).is_dir():
        raise UserError(f"--out {config.out}: is a folder; give the name of a file")
    taxonomy = load_taxonomy(config.taxonomy)
    kept = read_kept(Path(config.lm), taxonomy)
    lm = load_language_model(config.lm, device=pick_device(config.device), dtype=config.dtype)
    answerer = Answerer(lm, Path(config.lm).name, config.chat, config.batch_size)
    items = truth_items(taxonomy, answerer, config)
    if config.worlds:
        items += world_items(taxonomy, answerer, config, kept)
    write_items(Path(config.out), items)
    print(f"{config.out}: {len(items)} answers of {config.lm}")
    print(told(results(items, kept)))


def wrong_hypernyms(taxonomy: Taxonomy, leaf: str, most: int, seed: int) -> list[str]:
    """Hypernyms that a leaf has not, sorted: all if `most` is 0, else so many of them, drawn by seed and leaf."""
    others = sorted(taxonomy.hypernyms.keys() - taxonomy.pairs[leaf])
    if not most or most >= len(others):
        return others
    rng = np.random.default_rng([seed, crc32(leaf.encode())])
    return sorted(others[i] for i in rng.permutation(len(others))[:most])


def truth_items(taxonomy: Taxonomy, answerer: "Answerer", config: LMOnlyConfig) -> list[Item]:
    """Answers to "Is it true that ...?", sorted by leaf, hypernym and phrasing."""
    asked = [
        (leaf, hypernym, phrasing)
        for leaf in sorted(taxonomy.leaves)
        for hypernym in sorted({*taxonomy.pairs[leaf], *wrong_hypernyms(taxonomy, leaf, config.negatives, config.seed)})
        for phrasing in PHRASINGS
    ]
    texts = [truth_question(taxonomy.leaves[leaf], taxonomy.hypernyms[h], phrasing) for leaf, h, phrasing in asked]
    if config.phrasing == "best":
        best = answerer.fluency(texts).reshape(-1, len(PHRASINGS)).argmax(1)
        chosen = [len(PHRASINGS) * i + int(column) for i, column in enumerate(best)]
        asked, texts = [asked[i] for i in chosen], [texts[i] for i in chosen]
    keys = [(phrasing, leaf, h, h in taxonomy.pairs[leaf]) for leaf, h, phrasing in asked]
    return _items(TRUTHS, keys, texts, answerer, config)


def world_items(taxonomy: Taxonomy, answerer: "Answerer", config: LMOnlyConfig, kept: KeptOut) -> list[Item]:
    """Answers about worlds of one leaf: its hypernyms, as many wrong ones, and false pairs that were kept out."""
    keys, texts = [], []
    for leaf in sorted(taxonomy.leaves):
        name = taxonomy.leaves[leaf].a()
        world = f"{name[:1].upper()}{name[1:]}."
        rng = np.random.default_rng([config.seed, crc32(f"world/{leaf}".encode())])
        above, others = sorted(taxonomy.pairs[leaf]), wrong_hypernyms(taxonomy, leaf, 0, config.seed)
        wrong = [others[i] for i in rng.permutation(len(others))[: len(above)]]
        wrong += [h for other, h in kept.false_pairs if other == leaf and h not in wrong]
        for hypernym in above + wrong:
            keys.append((world, leaf, hypernym, hypernym in taxonomy.pairs[leaf]))
            texts.append(f"{world} {question_text(taxonomy.hypernyms[hypernym])}")
    return _items(WORLDS, keys, texts, answerer, config)


def caption_items(
    taxonomy: Taxonomy,
    answerer: "Answerer",
    config: LMOnlyConfig,
    captions: Sequence[str],
    kept: KeptOut,
    count: int = 600,
) -> list[Item]:
    """Answers about captions, each concept asked with Yes and No alike; kept-out pairs are not asked about."""
    rng = np.random.default_rng([config.seed, 3])
    names = Names(taxonomy.leaves)
    asker = Asker(taxonomy, kept.apart, (), rng)
    asked = [
        (world, question)
        for world in caption_worlds(captions, taxonomy, names, count, rng)
        for question in asker.ask(world)
    ]
    items = []
    for test, kind in ((CAPTIONS, "hypernym"), (LEAVES, "leaf")):
        own = [(world, question) for world, question in asked if question.kind == kind]
        keys = [(world.text, question.leaf, question.concept, question.gold) for world, question in own]
        texts = [f"{world.text} {question.text}" for world, question in own]
        items += _items(test, keys, texts, answerer, config)
    return items


def _items(
    test: str,
    keys: Iterable[tuple[str, str, str, bool]],
    texts: Sequence[str],
    answerer: "Answerer",
    config: LMOnlyConfig,
) -> list[Item]:
    scores = answerer.score(texts)
    return [
        Item(
            run=f"{answerer.name}/lm-only",
            condition="lm-only",
            image=image,
            leaf=leaf,
            concept=concept,
            gold=ANSWERS[not gold],
            prediction=ANSWERS[not yes],
            logp_yes=float(logp[0]),
            logp_no=float(logp[1]),
            test=test,
            lm=answerer.name,
        )
        for (image, leaf, concept, gold), yes, logp in zip(keys, scores.says_yes(config.rule), scores.logp, strict=True)
    ]
