"""From text to a tested language model: what `train.py lm` does once torch is there."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from probing_vlp.taxonomy.answers.items import write_items
from probing_vlp.taxonomy.language.corpus import KeptOut, counts, write_corpus
from probing_vlp.taxonomy.language.fitting import Fit, new_model, save_model
from probing_vlp.taxonomy.language.lm_only import LMOnlyConfig, caption_items, truth_items, world_items
from probing_vlp.taxonomy.language.options import LMConfig, describe
from probing_vlp.taxonomy.language.results import results
from probing_vlp.taxonomy.language.scoring import Answerer
from probing_vlp.taxonomy.language.trees import as_rows, make_tokenizer
from probing_vlp.taxonomy.language.worlds import names_of
from probing_vlp.taxonomy.model.language_models import LanguageModel
from probing_vlp.taxonomy.records import Taxonomy


def train_and_test(
    config: LMConfig,
    taxonomy: Taxonomy,
    kept: KeptOut,
    captions: Sequence[str],
    unseen: Sequence[str],
    glosses: Sequence[str],
) -> dict[str, Any]:
    """Write the text, train on it, test, save; returns what knowledge.json says."""
    trees = write_corpus(taxonomy, kept, captions, glosses, config.amounts, config.seed)
    concepts = [*taxonomy.leaves.values(), *taxonomy.hypernyms.values()]
    tokenizer = make_tokenizer(trees, [name for c in concepts for name in names_of(c)], config.vocabulary)
    knowledge = describe(config, taxonomy, kept, counts(trees, kept))
    rows = as_rows(trees, tokenizer, config.words)
    model = new_model(config, tokenizer)
    losses = Fit(config, model, rows, tokenizer.pad_token_id, knowledge).to_end()
    name = Path(config.out).name
    answerer, test = Answerer(LanguageModel(model, tokenizer), name), LMOnlyConfig(seed=config.seed)
    items = truth_items(taxonomy, answerer, test) + world_items(taxonomy, answerer, test, kept)
    items += caption_items(taxonomy, answerer, test, unseen, kept)
    knowledge |= {"loss": float(np.mean(losses[-100:])) if losses else None, "results": results(items, kept)}
    write_items(Path(config.out) / "lm-only.csv.gz", items)
    save_model(Path(config.out), model, tokenizer, knowledge)
    return knowledge
