"""Captions copied from the training data: those whose words are, in their order, a caption of the train split.

    copied   captions that equal a caption of the data's train split after `data.text.tokenize` / captions

An empty caption copies nothing.  Without a train split in the data the rate is unavailable.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from analysis.context import Context
from analysis.ratios import Ratio, column
from analysis.reading import Reading
from probing_vlp.data.text import tokenize

SOURCE = __name__


def ratios() -> dict[str, Ratio]:
    """copied, a share of captions."""
    return {"drift:copied": Ratio("copied", "copyable", "share of captions", SOURCE, "of captions of the train split")}


def columns(captions: Sequence[Reading], context: Context) -> Mapping[str, np.ndarray]:
    """copied: 0 or 1, (n,); copyable: 1 for each caption, 0 where the data has no train split."""
    seen = train_captions(context)
    return {
        "copied": column([" ".join(reading.words) in seen for reading in captions]),
        "copyable": np.full(len(captions), float(bool(seen))),
    }


def train_captions(context: Context) -> frozenset[str]:
    """The distinct captions of the data's train split, tokenised and joined by blanks; made once."""
    found: frozenset[str] = context.once("train captions", lambda: _train_captions(context))
    return found


def _train_captions(context: Context) -> frozenset[str]:
    ids = (key for key, image in context.images.items() if image.split == "train")
    texts = (text for key in ids for text in context.references.get(key, ()))
    return frozenset(" ".join(tokenize(text)) for text in texts) - {""}
