"""A frame of items as the experiment's design: what is measured apart, concept by concept; what conditions mean.

Unit of every mean: one concept in one run.  Runs are told apart by the columns `run` and `seed`, whichever vary; their
answers are never poured into one table.
"""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from probing_vlp.errors import UserError
from probing_vlp.taxonomy.answers import chance, metrics
from probing_vlp.taxonomy.answers.intervals import Z, macro_f1_error, weighted_f1_error, wilson
from probing_vlp.taxonomy.answers.metrics import Counts

DESIGN = ("encoder", "lm", "map", "condition", "test")
"""Columns that the items of a run of ours are measured apart by."""
RUNS = ("run", "seed")


def varying(frame: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """Those of the columns that are there and have more than one value."""
    return [name for name in names if name in frame.columns and frame[name].nunique() > 1]


def default_by(frame: pd.DataFrame) -> list[str]:
    """What a file is measured apart by when nobody says: what varies of the design, or else the run."""
    return varying(frame, DESIGN) or varying(frame, ("run",))


def check_columns(frame: pd.DataFrame, names: Sequence[str], what: str) -> None:
    """UserError that names the first of the columns that the frame lacks."""
    for name in names:
        if name not in frame.columns:
            raise UserError(f"{what}: no column {name}; there are {', '.join(frame.columns)}")


def count_units(frame: pd.DataFrame, by: Sequence[str], also: Sequence[str] = ()) -> Counts:
    """Counts of every concept in every run, apart by the columns `by` (and by `also`)."""
    runs = [name for name in varying(frame, RUNS) if name not in by]
    return metrics.count(frame, [*by, *runs, *also, "concept"])


def concept_table(counts: Counts, positive: Sequence[str]) -> pd.DataFrame:
    """A row a unit: its keys, n, n_pos (NaN where no label is known to mean yes), metrics with intervals, chance lines,
    whether gold has a single label, and the confusion counts as columns "gold>prediction"."""
    confusion = counts.confusion
    n = confusion.sum((-2, -1))
    known = [place for place, label in enumerate(counts.labels) if label in positive]
    table = counts.keys.copy()
    table["n"] = n
    table["n_pos"] = confusion.sum(-1)[:, known].sum(-1) if known else np.nan
    table["accuracy"] = metrics.accuracy(confusion)
    table["accuracy_low"], table["accuracy_high"] = wilson(np.trace(confusion, axis1=-2, axis2=-1), n)
    for name, value, error in (
        ("macro_f1", metrics.macro_f1(confusion), macro_f1_error(confusion)),
        ("weighted_f1", metrics.weighted_f1(confusion), weighted_f1_error(confusion)),
    ):
        table[name] = value
        table[f"{name}_low"] = np.clip(value - Z * error, 0, 1)
        table[f"{name}_high"] = np.clip(value + Z * error, 0, 1)
    table["chance_macro_f1"] = chance.majority_macro_f1(confusion)
    table["chance_weighted_f1"] = chance.majority_weighted_f1(confusion)
    table["blind_macro_f1"] = chance.blind_macro_f1(confusion)
    table["single_class"] = chance.single_class(confusion)
    for gold, label in enumerate(counts.labels):
        for said, answer in enumerate(counts.labels):
            table[f"{label}>{answer}"] = confusion[:, gold, said]
    return table


def never_trained(counts: Counts, positive: Sequence[str]) -> np.ndarray:
    """(R) bool: rows of the held-out test whose hypernym has no positive in the seen test of the same run.

    That is what "removed" means whichever rule made the test: the folder rule's held-out test also holds hypernyms that
    were trained through other leaves.  `counts` must have the column test; False where there is no seen test.
    """
    keys = counts.keys
    rest = [name for name in keys.columns if name not in ("test", "concept")]
    places = [place for place, label in enumerate(counts.labels) if label in positive]
    positives = counts.confusion.sum(-1)[:, places].sum(-1)
    same = keys.groupby(rest, sort=False).ngroup() if rest else pd.Series(0, index=keys.index)
    seen = keys["test"] == "seen"
    trained = set(zip(same[seen & (positives > 0)], keys["concept"][seen & (positives > 0)], strict=True))
    removed = np.array([pair not in trained for pair in zip(same, keys["concept"], strict=True)], bool)
    return ((keys["test"] == "held-out") & same.isin(set(same[seen]))).to_numpy(bool) & removed


def percent_ablated(condition: str, hypernyms: int) -> tuple[str, float] | None:
    """Kind of removal and per cent of the hypernym questions asked to be removed; None for a name of another kind.

    "full" -> ("full", 100), "random-30" -> ("random", 30), "systematic-4" of 16 hypernyms -> ("systematic", 25).
    """
    if condition == "full":
        return "full", 100.0
    found = re.fullmatch(r"(random|systematic)-(\d+(?:\.\d+)?)", condition)
    if not found:
        return None
    share = float(found[2]) if found[1] == "random" else 100 * float(found[2]) / max(hypernyms, 1)
    return found[1], share


def is_random(lm: str) -> bool:
    """Whether a language model is named as one with random weights: "random", "qwen3-0.6b-random"."""
    return "random" in re.split(r"[^a-z]+", lm.lower())


def random_twin(lm: str, names: Sequence[str]) -> str | None:
    """The random-weights model that a language model is compared with: its own twin, else the only one there is."""
    if f"{lm}-random" in names:
        return f"{lm}-random"
    others = [name for name in names if is_random(name)]
    return others[0] if len(others) == 1 else None
