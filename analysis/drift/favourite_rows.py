"""The rows of `favourites`: the beginning and the connective that rose most, with intervals over images."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from analysis.context import Context
from analysis.drift import favourites
from analysis.ratios import CAPTIONS, Ratio
from analysis.reading import Reading, readings
from analysis.resampling import Sums, changes, estimates, sums_by_image
from probing_vlp.dump import CaptionDump
from probing_vlp.pages.results import Row, row, unavailable

SOURCE = "analysis.drift.favourites"
KEYS = ("prefix", "connective", "connective_rate")
Count = Callable[[Sequence[Reading]], np.ndarray]
"""(n,) how often each caption has what is asked for."""


class Sides(NamedTuple):
    """The captions of a dump and of those that it is held against, over the images that all of them have."""

    names: tuple[str, ...]
    """The dump itself first, then the first dump, if it is another one, and the human captions."""
    captions: tuple[list[Reading], ...]
    compared: bool
    """Whether a first dump stands at place 1."""
    context: Context


def favourite_rows(dump: CaptionDump, first: CaptionDump | None, human: CaptionDump, context: Context) -> list[Row]:
    """prefix, connective and connective_rate of a dump, and their changes from the first one."""
    sides = _sides([each for each in (dump, first, human) if each is not None], first is not None, context)
    if len(sides.names) < 2 or not sides.captions[0]:
        why = "no other captions of these images to compare with"
        return [unavailable(f"drift:{key}", dump.name, "share", SOURCE, why) for key in KEYS]
    own, *others = sides.captions
    prefix = favourites.risen_prefix(own, others)
    word, _ = favourites.risen(*_shares(own, others))
    begins, uses = (partial(favourites.begins, prefix=prefix), partial(favourites.uses, word=word))
    share = Ratio("uses", CAPTIONS, "share of captions", SOURCE, f'"{prefix}" begins captions of {{}}')
    density = Ratio("uses", "words", "share of words", SOURCE, f'"{word}", uses a caption: {{}}')
    rate = density._replace(bottom=CAPTIONS, unit="uses/caption")
    begun, used = (_told(sides, share, begins, "{} {:.1%}"), _told(sides, rate, uses, "{} {:.2f}"))
    return [
        *_rise("prefix", share._replace(note=begun), begins, sides),
        *_change("prefix", share._replace(note=begun), begins, sides),
        *_rise("connective", density._replace(note=used), uses, sides),
        *_change("connective", density._replace(note=used), uses, sides),
        *_value("connective_rate", rate._replace(note=used), uses, sides),
        *_change("connective_rate", rate._replace(note=used), uses, sides),
    ]


def _sides(dumps: Sequence[CaptionDump], compared: bool, context: Context) -> Sides:
    """The dumps that hold captions, on the images of all of them."""
    kept = [(dump.name, readings(dump, context)) for dump in dumps if dump.records]
    images = set.intersection(*({reading.image_id for reading in each} for _, each in kept))
    return Sides(
        tuple(name for name, _ in kept),
        tuple([reading for reading in each if reading.image_id in images] for _, each in kept),
        compared,
        context,
    )


def _shares(
    own: Sequence[Reading], others: Sequence[Sequence[Reading]]
) -> tuple[dict[str, float], list[dict[str, float]]]:
    return favourites.connective_shares(own), [favourites.connective_shares(other) for other in others]


def _sums(captions: Sequence[Reading], count: Count) -> Sums:
    words = np.array([len(reading.words) for reading in captions], float)
    return sums_by_image([reading.image_id for reading in captions], {"uses": count(captions), "words": words})


def _level(ratio: Ratio, sums: Sums) -> float:
    bottom = sums.columns[ratio.bottom].sum()
    return float(sums.columns[ratio.top].sum() / bottom) if bottom else 0.0


def _told(sides: Sides, ratio: Ratio, count: Count, form: str) -> str:
    """The note: every side's level."""
    levels = [_level(ratio, _sums(captions, count)) for captions in sides.captions]
    return ratio.note.format(", ".join(form.format(*each) for each in zip(sides.names, levels, strict=True)))


def _rise(key: str, ratio: Ratio, count: Count, sides: Sides) -> list[Row]:
    """drift:KEY, the rise over the largest level of the others."""
    own, *others = (_sums(captions, count) for captions in sides.captions)
    return [_paired(f"drift:{key}", ratio, own, max(others, key=lambda each: _level(ratio, each)), sides)]


def _change(key: str, ratio: Ratio, count: Count, sides: Sides) -> list[Row]:
    """drift_change:KEY, where there is a first dump to change from."""
    if not sides.compared:
        return []
    own, first = (_sums(captions, count) for captions in sides.captions[:2])
    return [_paired(f"drift_change:{key}", ratio, own, first, sides)]


def _paired(name: str, ratio: Ratio, after: Sums, before: Sums, sides: Sides) -> Row:
    context = sides.context
    estimate = changes({name: ratio}, after, before, context.generator(name), context.draws)[0]
    return row(name, sides.names[0], estimate, ratio.unit, SOURCE, ratio.note)


def _value(key: str, ratio: Ratio, count: Count, sides: Sides) -> list[Row]:
    name, context = f"drift:{key}", sides.context
    sums = _sums(sides.captions[0], count)
    estimate = estimates({name: ratio}, sums, context.generator(name), context.draws)[0]
    return [row(name, sides.names[0], estimate, ratio.unit, SOURCE, ratio.note)]
