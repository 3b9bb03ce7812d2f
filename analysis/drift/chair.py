"""Hallucinated and missed objects: CHAIR of Rohrbach et al. (2018), "Object Hallucination in Image Captioning".

For a caption let M be the COCO categories that it mentions and T those that the human captions of its image mention:

    chair_i            sum over captions |M \\ T| / sum |M|: the share of mentioned objects that are hallucinated
    chair_s            captions with a hallucinated object / captions
    object_recall      sum |M & T| / sum |T|; 1 - recall is the share of missed objects
    chair_i_mentions   chair_i with every mention counted, as published programs do: a dog three times is three

Deviations from the paper: T comes from the human captions alone, without COCO's object annotations, so an object that
is in the image and that no human named counts as hallucinated (compare with the rows of "human", whose T leaves the
judged caption out).  Words for the categories are this project's own list, `coco_objects`.  Captions of images without
human captions are left out.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from analysis.context import Context
from analysis.ratios import Ratio
from analysis.reading import Reading
from probing_vlp.data.coco_objects import mentions
from probing_vlp.data.text import tokenize

SOURCE = __name__
NOTE = "objects by the human captions"


def ratios() -> dict[str, Ratio]:
    """chair_i, chair_s, chair_i_mentions and object_recall."""
    return {
        "chair_i": Ratio("hallucinated", "objects", "share of mentioned objects", SOURCE, NOTE),
        "chair_s": Ratio("hallucinating", "judged", "share of captions", SOURCE, NOTE),
        "chair_i_mentions": Ratio("hallucinated_mentions", "mentions", "share of mentions", SOURCE, NOTE),
        "object_recall": Ratio("recalled", "true_objects", "share of objects", SOURCE, NOTE),
    }


def columns(captions: Sequence[Reading], context: Context) -> Mapping[str, np.ndarray]:
    """Counts of each caption, (n,); all of them 0 where the image has no human captions."""
    counts = np.array([_counts(reading, context) for reading in captions], float).reshape(-1, len(NAMES))
    return {name: counts[:, i] for i, name in enumerate(NAMES)}


NAMES = (
    "judged",
    "mentions",
    "hallucinated_mentions",
    "objects",
    "hallucinated",
    "hallucinating",
    "recalled",
    "true_objects",
)


def _counts(reading: Reading, context: Context) -> tuple[float, ...]:
    if not context.references.get(reading.image_id):
        return (0.0,) * len(NAMES)
    truth, mentioned = true_objects(reading.image_id, context), mentions(reading.words)
    found = frozenset(mentioned)
    wrong = len(found - truth)
    return (
        1,
        len(mentioned),
        sum(name not in truth for name in mentioned),
        len(found),
        wrong,
        wrong > 0,
        len(found & truth),
        len(truth),
    )


def true_objects(image_id: int, context: Context) -> frozenset[str]:
    """Categories that the human captions of an image mention; found once an image."""
    known = context.once_of(context.references, "objects", dict)
    if image_id not in known:
        texts = context.references.get(image_id, ())
        known[image_id] = frozenset(name for text in texts for name in mentions(tokenize(text)))
    found: frozenset[str] = known[image_id]
    return found
