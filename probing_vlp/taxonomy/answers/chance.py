"""What answers are worth that have not seen the picture: two lines that a score is compared with.

majority  the paper's: always answer the commonest gold label of the concept.  With its share p of the gold labels and
          K labels in gold, macro-F1 = 2p / (1 + p) / K, p / (1 + p) for two of them; weighted-F1 = 2p^2 / (1 + p).
          A concept with a single gold label has a chance of 1 by this rule, which lifts the mean: such concepts are
          told of apart.  (One plot of the published code has a constant 0.471, which follows from no rule here.)
blind     ours: the same answers, dealt out to the items of the concept at random.  With the margins fixed F1(k) is
          linear in the hits, whose expectation is r_k c_k / n, so the value is exact.  A coin on balanced questions has
          a macro-F1 near 0.5 and stands far above the majority line of 0.33; it does not stand above this one.
"""

import numpy as np

from probing_vlp.taxonomy.answers.metrics import macro_f1, weighted_f1


def majority_answers(confusion: np.ndarray) -> np.ndarray:
    """(..., L, L) -> (..., L, L): the table of one who always gives the commonest gold label (ties: the first)."""
    gold = confusion.sum(-1)
    chosen = gold.argmax(-1)[..., None] == np.arange(gold.shape[-1])  # (..., L)
    return gold[..., :, None] * chosen[..., None, :]


def majority_macro_f1(confusion: np.ndarray) -> np.ndarray:
    """(..., L, L) -> (...)"""
    return macro_f1(majority_answers(confusion))


def majority_weighted_f1(confusion: np.ndarray) -> np.ndarray:
    """(..., L, L) -> (...)"""
    return weighted_f1(majority_answers(confusion))


def blind_macro_f1(confusion: np.ndarray) -> np.ndarray:
    """(..., L, L) -> (...): expected macro-F1 of the same answers in random order; NaN without items."""
    gold, said = confusion.sum(-1).astype(float), confusion.sum(-2).astype(float)
    items = np.maximum(gold.sum(-1), 1)[..., None]
    occurs = gold + said > 0
    hits = 2 * gold * said / items / np.where(occurs, gold + said, 1)
    return np.where(gold.sum(-1) > 0, hits.sum(-1) / np.maximum(occurs.sum(-1), 1), np.nan)


def single_class(confusion: np.ndarray) -> np.ndarray:
    """(..., L, L) -> (...) bool: only one label occurs in gold, so the majority line is 1."""
    return (confusion.sum(-1) > 0).sum(-1) == 1
