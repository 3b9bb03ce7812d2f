"""What a thing is worth to a scorer beyond as many fillers, from the doses of a verification (`experiments.doses`).

    verify:BASE/EXPERIMENT:net     mean over images of the contrast of gains that CONTRASTS names, paired
    verify:BASE/shuffled:share     what shuffled words cost, as a share of what another image's caption costs: 0 for a
                                   scorer blind to word order, 1 where order is worth as much as the right caption

An image counts where all captions of a contrast exist and are scored.  The note names the prefix or the connective.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from analysis.context import Context
from analysis.results import Row, row
from probing_vlp.experiments.doses import CONTRASTS
from probing_vlp.experiments.pairs import Pair, Verification
from probing_vlp.experiments.summary import scores
from probing_vlp.stats import bootstrap_mean, bootstrap_ratio

SOURCE = __name__
WORDS = {"prefix-first": "prefix", "connected": "connective"}
"""Contrasts that are about given words, and where a verification's header has them."""
SHUFFLED, OTHER = "shuffled", "other-caption"


def net_rows(verification: Verification, base: str, scorer: str, context: Context) -> list[Row]:
    """The rows of one base and scorer, as far as their experiments were run."""
    gains = {
        experiment: _gains(pairs, scorer) for (of, experiment), pairs in verification.groups().items() if of == base
    }
    unit = str(verification.header.get("units", {}).get(scorer, "raw score"))
    rows = []
    for name, signs in CONTRASTS.items():
        if signs.keys() <= gains.keys():
            images = sorted(set.intersection(*(set(gains[experiment]) for experiment in signs)))
            net = np.array([sum(sign * gains[of][image] for of, sign in signs.items()) for image in images])
            label = f"verify:{base}/{name}:net"
            estimate = bootstrap_mean(net, context.generator(label), context.draws)
            key = WORDS.get(name)
            rows.append(row(label, scorer, estimate, unit, SOURCE, f"{key}: {verification.header[key]}" if key else ""))
    if {SHUFFLED, OTHER} <= gains.keys():
        rows.append(_share(gains, f"verify:{base}/{SHUFFLED}:share", scorer, context))
    return rows


def _gains(pairs: Sequence[Pair], scorer: str) -> dict[int, float]:
    """Score after less score before, by image; those that could not be scored are left out."""
    change = scores(pairs, scorer, "after") - scores(pairs, scorer, "before")
    return {pair.image_id: float(gain) for pair, gain in zip(pairs, change, strict=True) if not math.isnan(gain)}


def _share(gains: Mapping[str, Mapping[int, float]], name: str, scorer: str, context: Context) -> Row:
    images = sorted(gains[SHUFFLED].keys() & gains[OTHER].keys())
    shuffled, other = (-np.array([gains[of][image] for image in images]) for of in (SHUFFLED, OTHER))
    estimate = bootstrap_ratio(shuffled, other, context.generator(name), context.draws)
    return row(name, scorer, estimate, f"share of the cost of {OTHER}", SOURCE)
