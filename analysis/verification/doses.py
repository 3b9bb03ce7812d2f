"""What a thing is worth to a scorer beyond as many fillers, from the doses of a verification (`experiments.doses`).

    verify:BASE/EXPERIMENT:net     mean over images of the contrast of gains that CONTRASTS names, paired
    verify:BASE/EXPERIMENT:share   what a flaw of FLAWS costs, as a share of what another image's caption costs: 0 for a
                                   scorer that does not mind it, 1 where it is as bad as the wrong caption

An image counts where all captions of a contrast exist and are scored.  The note names the prefix or the connective.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from analysis.context import Context
from probing_vlp.experiments.doses import CONTRASTS
from probing_vlp.experiments.pairs import Pair, Verification
from probing_vlp.experiments.summary import scores
from probing_vlp.pages.results import Row, row
from probing_vlp.stats import bootstrap_mean, bootstrap_ratio

SOURCE = __name__
WORDS = {"prefix-first": "prefix", "connected": "connective"}
"""Contrasts that are about given words, and where a verification's header has them."""
FLAWS, OTHER = ("shuffled", "repeated", "end-dropped"), "other-caption"


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
    tried = [flaw for flaw in FLAWS if {flaw, OTHER} <= gains.keys()]
    return [
        *rows,
        *(_share(gains[flaw], gains[OTHER], f"verify:{base}/{flaw}:share", scorer, context) for flaw in tried),
    ]


def _gains(pairs: Sequence[Pair], scorer: str) -> dict[int, float]:
    """Score after less score before, by image; those that could not be scored are left out."""
    change = scores(pairs, scorer, "after") - scores(pairs, scorer, "before")
    return {pair.image_id: float(gain) for pair, gain in zip(pairs, change, strict=True) if not math.isnan(gain)}


def _share(flaw: Mapping[int, float], other: Mapping[int, float], name: str, scorer: str, context: Context) -> Row:
    images = sorted(flaw.keys() & other.keys())
    costs, whole = (-np.array([gains[image] for image in images]) for gains in (flaw, other))
    estimate = bootstrap_ratio(costs, whole, context.generator(name), context.draws)
    return row(name, scorer, estimate, f"share of the cost of {OTHER}", SOURCE)
