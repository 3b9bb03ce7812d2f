"""Drift: what else changed while the captioner learned to please its scorer (Ma et al. 2023 section 4, and beyond it).

Each quantity has a key, defined where it is computed: `repetition`, `fragments`, `vocabulary`, `diversity`, `copying`,
`chair`, `favourites`, `divergence`; and here

    words, nouns        words and nouns a caption         nouns_per_word   nouns / words

Rows: "drift:KEY" the value (CHAIR's keep their own names), "drift_change:KEY" the change from the first dump over the
images that both have, drawn in pairs, "threshold:KEY" and "crossed:KEY" by `thresholds`.  The first dump that a
context measures is the one that others are compared with, by custom the CE model's; with it come rows of "human":
the first human caption of each of its images, measured alike, its objects judged by the image's other captions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

import numpy as np

from analysis import resampling
from analysis.context import Context
from analysis.drift import chair, copying, diversity, fragments, repetition, vocabulary
from analysis.drift.divergence import gain_rows, kl_row
from analysis.drift.favourite_rows import favourite_rows
from analysis.drift.thresholds import DIRECTIONS, SHIPPED, Bands, limits, read_bands, verdict_rows
from analysis.drift.vocabulary import counted_rows, counters  # noqa: F401  what a survey asks of a streaming analysis
from analysis.inputs import PEOPLE
from analysis.ratios import CAPTIONS, Ratio
from analysis.reading import Reading, columns_of, readings
from analysis.resampling import Sums, sums_by_image
from analysis.statistics import noun_counts
from probing_vlp.dump import CaptionDump
from probing_vlp.pages.results import Row, row, unavailable
from probing_vlp.records import CaptionRecord
from probing_vlp.tagging import tagger_name

PARTS = (repetition, fragments, vocabulary, copying, chair)
MISSING = {
    "copyable": "the data has no train split",
    "ranked_words": "the data has no human captions",
    "judged": "no human captions for these images",
    "objects": "no object is mentioned in captions of images with human captions",
    "mentions": "no object is mentioned in captions of images with human captions",
    "true_objects": "the human captions of these images mention no object",
}


def ratios() -> dict[str, Ratio]:
    """Every quantity that is a ratio of sums over captions, by row name."""
    own = {
        "drift:words": Ratio("words", CAPTIONS, "words/caption", "probing_vlp.data.text"),
        "drift:nouns": Ratio("nouns", CAPTIONS, "nouns/caption", tagger_name()),
        "drift:nouns_per_word": Ratio("nouns", "words", "nouns/word", tagger_name()),
    }
    return {**own, **{name: ratio for part in PARTS for name, ratio in part.ratios().items()}}


def columns(captions: Sequence[Reading], context: Context) -> Mapping[str, np.ndarray]:
    """The columns of all ratios, (n,) each; those of a caption depend on it and the context alone."""
    return {
        **noun_counts.columns(captions, context),
        **{name: values for part in PARTS for name, values in part.columns(captions, context).items()},
    }


def facts(context: Context) -> dict[str, str]:
    """The human captions that objects, frequent words and copies are found by, by number and digest."""
    digest, count = blake2b(digest_size=8), 0
    for image in sorted(context.references):
        texts = context.references[image]
        digest.update(f"{image} {texts}".encode())
        count += len(texts)
    return {"human captions": f"{count:,} of {len(context.references):,} images, {digest.hexdigest()}"}


def measure(dump: CaptionDump, context: Context) -> list[Row]:
    """All rows of a dump; with the first dump of a context, those of the human captions too."""
    first: CaptionDump = context.once("first dump of drift", lambda: dump)
    if first is dump or first.records is dump.records:
        return compare(dump, None, context) + value_rows(human_dump(first, context), context)
    return compare(dump, first, context)


def compare(dump: CaptionDump, first: CaptionDump | None, context: Context) -> list[Row]:
    """Values, changes and verdicts of a dump against `first`; None where it is the first itself."""
    human = human_dump(first or dump, context)
    rows = [*value_rows(dump, context), *favourite_rows(dump, first, human, context), kl_row(dump)]
    if first is not None:
        rows += [*change_rows(dump, first, context), *gain_rows(dump, first, context)]
    before, said = ({row.name: row for row in value_rows(each, context)} if each else {} for each in (first, human))
    bands, found = bands_for(dump, context), {row.name: row for row in rows}
    for key in DIRECTIONS:
        name = key if key in found else f"drift:{key}"
        if name in found and not (first is None and key in ("prefix", "connective")):
            measured = found[name]
            limit = None if measured.value is None else limits(key, measured, before.get(name), said.get(name), bands)
            rows += verdict_rows(key, measured, limit)
    return rows


def value_rows(dump: CaptionDump, context: Context) -> list[Row]:
    """What can be said of the dump by itself; measured once."""
    made: list[Row] = context.once_of(dump.records, "drift", lambda: _value_rows(dump, context))
    return made


def _value_rows(dump: CaptionDump, context: Context) -> list[Row]:
    captions = readings(dump, context)
    if not captions:
        return []
    table = ratios()
    found = resampling.estimates(table, sums(dump, context), context.generator("drift"), context.draws)
    rows = [
        row(name, dump.name, estimate, ratio.unit, ratio.source, ratio.note)
        if not np.isnan(estimate.value)
        else unavailable(name, dump.name, ratio.unit, ratio.source, MISSING.get(ratio.bottom, f"no {ratio.bottom}"))
        for (name, ratio), estimate in zip(table.items(), found, strict=True)
    ]
    return [*rows, *vocabulary.rows(captions, dump.name), *diversity.rows(captions, dump.name, context)]


def change_rows(dump: CaptionDump, first: CaptionDump, context: Context) -> list[Row]:
    """drift_change:KEY of every ratio, over the images that both dumps have."""
    table = ratios()
    after, before = sums(dump, context), sums(first, context)
    found = resampling.changes(table, after, before, context.generator("drift_change"), context.draws)
    note = f"minus {first.name}, over the same images"
    return [
        row(name, dump.name, estimate, ratio.unit, ratio.source, note)
        if not np.isnan(estimate.value)
        else unavailable(name, dump.name, ratio.unit, ratio.source, f"not to be had on images of {first.name}")
        for (name, ratio), estimate in zip(
            {f"drift_change:{name.removeprefix('drift:')}": ratio for name, ratio in table.items()}.items(),
            found,
            strict=True,
        )
    ]


def sums(dump: CaptionDump, context: Context) -> Sums:
    """Columns of a dump summed by image, made once; the human captions' objects are judged by the others'."""

    def make() -> Sums:
        captions = readings(dump, context)
        found = dict(columns_of(columns, captions, context))
        if dump is context.memory.get("human captions"):
            others = {reading.image_id: context.references[reading.image_id][1:] for reading in captions}
            found |= chair.columns(captions, replace(context, references=others))
        return sums_by_image([reading.image_id for reading in captions], found)

    made: Sums = context.once_of(dump.records, "drift sums", make)
    return made


def human_dump(first: CaptionDump, context: Context) -> CaptionDump:
    """The first human caption of each image of a dump, under the name "human"; made once a context."""

    def make() -> CaptionDump:
        images = dict.fromkeys(record.image_id for record in first.records)
        records = (CaptionRecord(key, context.references[key][0]) for key in images if context.references.get(key))
        made = CaptionDump(PEOPLE, tuple(records))
        readings(made, context, keep=True)
        return made

    found: CaptionDump = context.once("human captions", make)
    return found


def use_thresholds(context: Context, path: Path) -> None:
    """Let the limits of a file hold for every dump that the context measures.  Raises UserError for a bad file."""
    context.memory["thresholds"] = read_bands(path)


def bands_for(dump: CaptionDump, context: Context) -> Bands | None:
    """The given file of thresholds, else the shipped one where the dump is of the captions it was made from."""
    given: Bands | None = context.memory.get("thresholds")
    if given is not None or not SHIPPED.is_file():
        return given
    shipped: Bands = context.once("shipped thresholds", lambda: read_bands(SHIPPED))
    return shipped if shipped.fits(dump.header) else None
