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

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from analysis.context import Context
from analysis.drift.closed_class import CONNECTIVES, COPULAS
from analysis.drift.coco_objects import (
    ANIMALS,
    CARRIERS,
    CATEGORIES,
    COLOURS,
    NO_OBJECT,
    PICTURED,
    VEHICLES,
    YOUNG,
    plural,
)
from analysis.ratios import Ratio
from analysis.reading import Reading
from probing_vlp.data.text import tokenize

SOURCE = __name__
NOTE = "objects by the human captions"
AFTER_FRUIT = CONNECTIVES | COPULAS | {""}


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


def mentions(words: Sequence[str]) -> list[str]:
    """The categories that a caption mentions, in order, repetitions included; the longest phrase counts."""
    found, at = [], 0
    while at < len(words):
        size, category = next(_matches(words, at), (1, ""))
        if category and not (category == "orange" and words[at] == "orange" and _is_colour(words, at)):
            found.append(category)
        at += size
    return found


def _matches(words: Sequence[str], at: int) -> Iterator[tuple[int, str]]:
    """(words, category) of the phrases that begin here, longest first."""
    for size in range(LONGEST.get(words[at], 0), 0, -1):
        category = PHRASES.get(" ".join(words[at : at + size]))
        if category is not None:
            yield size, category


def _is_colour(words: Sequence[str], at: int) -> bool:
    """Whether "orange" is a colour here: before a word of content, or beside another colour."""
    before, after, beyond = (words[i] if 0 <= i < len(words) else "" for i in (at - 2, at + 1, at + 2))
    joined = ("and", "or")
    beside = (after in joined and beyond in COLOURS) or (before in COLOURS and words[at - 1] in joined)
    return beside or after not in AFTER_FRUIT


def _phrases() -> dict[str, str]:
    """Category by phrase; "" for a phrase that names none."""
    singular = {
        phrase.strip(): name for name, others in CATEGORIES.items() for phrase in [name, *others.split(",")] if phrase
    }
    for vehicle in VEHICLES:
        singular.update({f"{carrier} {vehicle}": singular[vehicle] for carrier in CARRIERS})
    for animal in ANIMALS:
        singular.update({f"{age} {animal}": singular[animal] for age in YOUNG})
        singular.setdefault(f"{animal} calf", singular[animal])
    none = [" ".join(phrase.split()) for phrase in NO_OBJECT.split(",")]
    none += [f"{way} {thing}" for way in PICTURED for thing in ANIMALS | VEHICLES]
    singular.update(dict.fromkeys(none, ""))
    plurals = {" ".join([*phrase.split()[:-1], plural(phrase.split()[-1])]): name for phrase, name in singular.items()}
    return plurals | singular


PHRASES = _phrases()
LONGEST: dict[str, int] = {}
"""Words of the longest phrase by its first word."""
for _phrase in PHRASES:
    _first, *_rest = _phrase.split()
    LONGEST[_first] = max(LONGEST.get(_first, 0), 1 + len(_rest))
