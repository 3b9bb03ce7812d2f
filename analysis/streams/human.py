"""Dumps beside the human captions of the same images, and beside the first dump, in every streaming analysis.

Human captions are rows of the pseudo-model "human": over all captions, five of most images, that the data have of the
images of the dumps; n counts captions, intervals resample images with all their captions.  Paired changes are over the
images that both sides have:

    change:NAME          a dump's NAME less the first dump's
    human_change:NAME    a dump's NAME less that of the human captions

where NAME is a ratio of a streaming analysis (`length`, `nouns`, `perplexity`, ...).
"""

from collections.abc import Sequence

import numpy as np

from analysis.context import Context
from analysis.inputs import PEOPLE
from analysis.ratios import Ratio, Side, change_rows, ratio_rows, totals
from analysis.reading import columns_of, readings
from analysis.streams.streaming import module_of
from probing_vlp.dump import CaptionDump
from probing_vlp.pages.results import Row
from probing_vlp.records import CaptionRecord

COMPARED = ("perplexity", "nouns", "unigrams", "parts")
"""Streaming analyses whose numbers are compared here; others make rows of human captions themselves."""


def human_dump(dumps: Sequence[CaptionDump], context: Context) -> CaptionDump:
    """All human captions of the images of the dumps, by ascending image id; made once for the same images."""
    images = sorted({record.image_id for dump in dumps for record in dump.records})

    def make() -> CaptionDump:
        records = [CaptionRecord(key, text) for key in images for text in context.references.get(key, ())]
        return CaptionDump(PEOPLE, tuple(records))

    found: CaptionDump = context.once((PEOPLE, tuple(images)), make)
    return found


def human_rows(dumps: Sequence[CaptionDump], context: Context, names: Sequence[str] = COMPARED) -> list[Row]:
    """Rows of the human captions and paired changes in those of COMPARED that are in `names`.

    Where the data have no captions of the dumps' images, there are changes from the first dump alone.
    """
    names = [name for name in COMPARED if name in names]
    human = human_dump(dumps, context)
    rows = [row for name in names if human.records for row in _own_rows(name, human, context)]
    for name in names:
        for place, dump in enumerate(dumps):
            if place:
                rows += _changes(name, dump, dumps[0], "change", context)
            if human.records:
                rows += _changes(name, dump, human, "human_change", context)
    return rows


def _own_rows(name: str, human: CaptionDump, context: Context) -> list[Row]:
    module, read = module_of(name), readings(human, context, keep=True)
    rows = []
    if ratios := module.ratios():
        side = _side(name, human, context)
        known = module.facts(context) if hasattr(module, "facts") else {}
        said = module.notes(totals(ratios, side.columns), known) if hasattr(module, "notes") else {}
        rows += ratio_rows(ratios, side.columns, PEOPLE, context, said, side.images)
    if hasattr(module, "counters"):
        rows += module.counted_rows(module.counters(read, context), PEOPLE, context)
    return rows


def _changes(name: str, dump: CaptionDump, before: CaptionDump, prefix: str, context: Context) -> list[Row]:
    ratios: dict[str, Ratio] = module_of(name).ratios()
    if not ratios:
        return []
    note = f"minus {before.name}, over the same images"
    after, earlier = _side(name, dump, context), _side(name, before, context)
    return change_rows(ratios, after, earlier, prefix, dump.name, note, context)


def _side(name: str, dump: CaptionDump, context: Context) -> Side:
    read = readings(dump, context)
    return Side(columns_of(module_of(name).columns, read, context), np.array([each.image_id for each in read]))
