"""How good the LM-only answers are: on what the model was told, on pairs that were kept out, on unknown hypernyms.

A model without `knowledge.json` (any of the hub's) is taken to know everything: all its answers are of one part.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from probing_vlp.errors import UserError
from probing_vlp.files import read_bytes
from probing_vlp.taxonomy.answers.chance import majority_macro_f1
from probing_vlp.taxonomy.answers.intervals import clustered, generator, weights
from probing_vlp.taxonomy.answers.items import Item
from probing_vlp.taxonomy.answers.metrics import accuracy, count, macro_f1
from probing_vlp.taxonomy.language.corpus import KeptOut
from probing_vlp.taxonomy.records import Taxonomy

TITLES = {
    "lm-only": "truths",
    "lm-world": "worlds of one leaf",
    "lm-captions": "captions",
    "lm-leaves": "captions, leaves",
}
"""What the values of an item's `test` mean."""


def read_kept(folder: Path, taxonomy: Taxonomy) -> KeptOut:
    """What the model of this folder was not told; nothing, if it has no knowledge.json.

    UserError if that is of another taxonomy, or damaged.
    """
    path = folder / "knowledge.json"
    if not path.exists():
        return KeptOut()
    try:
        known = json.loads(read_bytes(path, "file of what a model was told", "train it again (python train.py lm)"))
        signature = known["signature"]
        pairs, false = (tuple((leaf, h) for leaf, h in known[key]) for key in ("kept_out", "kept_out_false"))
        kept = KeptOut(pairs, false, tuple(known["unknown_hypernyms"]))
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not written by train.py lm ({error}); train the model again") from None
    if signature != taxonomy.signature:
        raise UserError(
            f"{path}: the model was trained with another taxonomy ({known.get('taxonomy')}, not this {taxonomy.name}); "
            "give the same --taxonomy, or train a model with this one"
        )
    return kept


def part_of(item: Item, kept: KeptOut) -> str:
    """ "truths, known pairs", "captions, leaves", ..."""
    title = TITLES[item.test]
    if item.test == "lm-leaves":
        return title
    if item.concept in kept.unknown:
        return f"{title}, unknown hypernyms"
    return f"{title}, {'kept-out pairs' if (item.leaf, item.concept) in kept.apart else 'known pairs'}"


def results(items: Sequence[Item], kept: KeptOut) -> dict[str, dict[str, Any]]:
    """Pooled figures of each part: macro-F1 with a 95 % interval (bootstrap clustered by concept), the majority's,
    accuracy, how often Yes is right and is said, the number of answers and of concepts."""
    frame = pd.DataFrame(items, columns=Item._fields)
    frame["part"] = [part_of(item, kept) for item in items]
    found = {}
    for part, own in sorted(frame.groupby("part")):
        tables = count(own, ["concept"]).confusion
        random = generator(0, part)
        estimate = clustered(tables, macro_f1, weights(len(tables), random))
        whole = tables.sum(0)
        found[str(part)] = {
            "macro_f1": round(estimate.value, 6),
            "interval": [None if np.isnan(end) else round(end, 6) for end in (estimate.low, estimate.high)],
            "majority": round(float(majority_macro_f1(whole)), 6),
            "accuracy": round(float(accuracy(whole)), 6),
            "gold_yes": round(float((own["gold"] == "Yes").mean()), 6),
            "said_yes": round(float((own["prediction"] == "Yes").mean()), 6),
            "n": len(own),
            "concepts": len(tables),
        }
    return found


def told(found: Mapping[str, Mapping[str, Any]]) -> str:
    """The results in lines to read."""
    lines = []
    for part, row in found.items():
        low, high = ("" if end is None else f"{end:.3f}" for end in row["interval"])
        lines.append(
            f"  {part}: macro-F1 {row['macro_f1']:.3f} [{low}, {high}] (majority {row['majority']:.3f}), accuracy "
            f"{row['accuracy']:.3f}, says Yes to {row['said_yes']:.0%}, right for {row['gold_yes']:.0%}; "
            f"n = {row['n']}, {row['concepts']} concepts"
        )
    return "\n".join(lines)
