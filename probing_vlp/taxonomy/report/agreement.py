"""Is the VLM right where the language model is right by text?  LM-VLM agreement, hypernym by hypernym.

For every (leaf, hypernym) pair that both were asked about: the LM is right of it jointly if its answers to all
phrasings are right, at best ("max") if any is; the VLM likewise over photographs.  Agreement is the share of the pairs
of a hypernym for which both are right or both wrong.

Two who are mostly right agree by that alone: `expected` is the agreement of the same two with pairs matched at random.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from probing_vlp.stats import Estimate
from probing_vlp.taxonomy.answers.intervals import clustered_mean
from probing_vlp.taxonomy.report.measured import Measured, Setting, items_of

LM_TEST = "lm-only"
KINDS = {"joint": "min", "max": "max"}


class Agreement(NamedTuple):
    """Agreement of one kind over all hypernyms."""

    kind: str
    value: Estimate
    """Mean over hypernyms; n is their number."""
    expected: Estimate
    table: pd.DataFrame
    """By hypernym: pairs, agreement, expected."""


def agreements(measured: Measured, setting: Setting) -> list[Agreement]:
    """Of both kinds, joint and max; empty if there are no LM-only answers for the language model of `setting`.

    Runs of the VLM are put together: jointly right is right in all of them.
    """
    frame = measured.frame
    texts = frame[(frame["test"] == LM_TEST) & (frame["lm"] == setting.lm)]
    photographs = items_of(measured, setting)
    found = []
    for kind, how in KINDS.items():
        pairs = pd.concat(
            [_right(texts, how).rename("lm"), _right(photographs, how).rename("vlm")], axis=1, join="inner"
        )
        if len(pairs):
            found.append(_agreement(measured, kind, pairs))
    return found


def _right(items: pd.DataFrame, how: str) -> pd.Series:
    """By (leaf, concept): whether all (min) or any (max) of the answers are right."""
    right = items["gold"].astype(str) == items["prediction"].astype(str)
    keys = [items["leaf"].astype(str), items["concept"].astype(str)]
    return right.groupby(keys, sort=True).agg(how).astype(bool)


def _agreement(measured: Measured, kind: str, pairs: pd.DataFrame) -> Agreement:
    by = pairs.assign(same=pairs["lm"] == pairs["vlm"]).groupby(level=1, sort=True)
    table = pd.DataFrame({"pairs": by.size(), "agreement": by["same"].mean()})
    lm, vlm = by["lm"].mean(), by["vlm"].mean()
    table["expected"] = lm * vlm + (1 - lm) * (1 - vlm)
    names = table.index.to_numpy(str)
    value, expected = (
        clustered_mean(table[name].to_numpy(float), names, np.random.default_rng([measured.seed, len(kind)]))
        for name in ("agreement", "expected")
    )
    return Agreement(kind, value, expected, table)
