"""The control that the paper has not got: what the language model was kept from reading, it cannot carry over.

`train.py lm` writes knowledge.json: hypernyms that no text names of a leaf (`unknown_hypernyms`), and (leaf, hypernym)
pairs that no text joins (`kept_out`) although the text has the hypernym of other leaves.  On both a VLM whose link from
leaf to hypernym is the LM's must fail.

    unknown   macro-F1 less the higher chance line, mean over the unknown hypernyms; that of the known ones less it
    pairs     hits less false alarms: share of "Yes" to kept-out pairs less that to wrong pairs of the same hypernyms;
              share of "Yes" to known pairs of the same hypernyms less that to kept-out ones

Intervals are bootstraps over leaves, all items of a leaf come along: they speak of these hypernyms, which are too few
to be resampled.  A photograph may show, beside the leaf that a question was made for, another one whose pair is known;
"Yes" may then be right for that leaf's sake, so hits on kept-out pairs are an upper bound.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from probing_vlp.errors import UserError
from probing_vlp.files import read_bytes
from probing_vlp.stats import Estimate
from probing_vlp.taxonomy.answers.chance import blind_macro_f1, majority_macro_f1, single_class
from probing_vlp.taxonomy.answers.intervals import clustered, generator, weights
from probing_vlp.taxonomy.answers.metrics import count, macro_f1
from probing_vlp.taxonomy.report.measured import Measured, Setting, items_of


@dataclass(frozen=True)
class Knowledge:
    """What a language model was kept from reading; nothing, if nobody says so."""

    pairs: frozenset[tuple[str, str]] = frozenset()
    """True (leaf, hypernym) pairs."""
    unknown: frozenset[str] = frozenset()
    """Hypernyms."""


class Control(NamedTuple):
    """How a VLM does where its language model knows nothing."""

    what: str
    """unknown | pairs"""
    size: int
    """How many hypernyms, or pairs, were asked about."""
    left: Estimate
    """What is left of the skill there, above chance; n is the number of leaves."""
    lost: Estimate
    """What is missing of the skill on what is known."""


def read_knowledge(path: Path) -> Knowledge:
    """What a file knowledge.json says; UserError if it is none."""
    try:
        said = json.loads(read_bytes(path, "file of what a model was told", "train the model again (train.py lm)"))
        pairs = frozenset((str(leaf), str(hypernym)) for leaf, hypernym in said["kept_out"])
        return Knowledge(pairs, frozenset(map(str, said["unknown_hypernyms"])))
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not written by train.py lm ({error}); train the model again") from None


def controls(measured: Measured, setting: Setting, knowledge: Knowledge) -> list[Control]:
    """Those that can be made of the items of a setting."""
    items = items_of(measured, setting).astype({"leaf": str, "concept": str})
    made = (_unknown(measured, items, knowledge), _pairs(measured, items, knowledge))
    return [control for control in made if control is not None]


def _unknown(measured: Measured, items: pd.DataFrame, knowledge: Knowledge) -> Control | None:
    if items.empty:
        return None
    counts = count(items, ["leaf", "concept"])
    leaf, leaves = pd.factorize(counts.keys["leaf"], sort=True)
    concept, concepts = pd.factorize(counts.keys["concept"], sort=True)
    table = np.zeros((len(leaves), len(concepts), *counts.confusion.shape[1:]))
    np.add.at(table, (leaf, concept), counts.confusion)
    asked = ~single_class(table.sum(0))
    unknown = np.isin(concepts, list(knowledge.unknown)) & asked
    known = ~unknown & asked
    if not unknown.any() or not known.any():
        return None

    def skill(total: np.ndarray) -> np.ndarray:
        line = np.fmax(majority_macro_f1(total), blind_macro_f1(total))
        return np.asarray(np.nanmean(macro_f1(total) - line, -1))

    left = _bootstrap(measured, table[:, unknown], skill)
    lost = _bootstrap(measured, table, lambda total: skill(total[..., known, :, :]) - skill(total[..., unknown, :, :]))
    return Control("unknown", int(unknown.sum()), left, lost)


def _pairs(measured: Measured, items: pd.DataFrame, knowledge: Knowledge) -> Control | None:
    kept_out = {pair for pair in knowledge.pairs if pair[1] not in knowledge.unknown}
    items = items[items["concept"].isin({hypernym for _, hypernym in kept_out})]
    gold, said = (items[name].isin(measured.positive).to_numpy() for name in ("gold", "prediction"))
    apart = np.array([pair in kept_out for pair in zip(items["leaf"], items["concept"], strict=True)], bool)
    leaf, leaves = pd.factorize(items["leaf"], sort=True)
    groups = (gold & apart, gold & ~apart, ~gold)  # kept-out, known and wrong pairs
    if not all(group.any() for group in groups):
        return None
    sums = np.stack([np.bincount(leaf, part, len(leaves)) for group in groups for part in (group & said, group)], 1)

    def share(total: np.ndarray, place: int) -> np.ndarray:
        size = total[..., 2 * place + 1]
        return np.divide(total[..., 2 * place], size, out=np.full(size.shape, np.nan), where=size > 0)

    left = _bootstrap(measured, sums, lambda total: share(total, 0) - share(total, 2))
    lost = _bootstrap(measured, sums, lambda total: share(total, 1) - share(total, 0))
    asked = set(zip(items["leaf"][gold & apart], items["concept"][gold & apart], strict=True))
    return Control("pairs", len(asked), left, lost)


def _bootstrap(measured: Measured, sums: np.ndarray, statistic: Callable[[np.ndarray], np.ndarray]) -> Estimate:
    return clustered(sums, statistic, weights(len(sums), generator(measured.seed, "leaves")))
