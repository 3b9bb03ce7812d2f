"""What the page's search works on: the captions of all dumps by image, as JSON in the page, with small photographs.

At most MOST images; of a larger dump a sample by the report's seed, and the page says so.  Photographs of an image
folder are made smaller until they fit (SIDE pixels), as many as BUDGET bytes hold; without a folder there are none.

A *mark* is what a caption can be filtered by: every column of zeros and ones of an analysis ("prefix:ROSITA:1"), every
pattern found in a dump after the first, and whether a count of COUNTS is larger than in the first dump's caption.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from analysis import ANALYSES
from analysis.context import Context
from analysis.patterns.found_patterns import columns_once, find
from analysis.reading import columns_of, readings
from analysis.report.photos import Photo
from analysis.scores import reward_scorers, scores_by_image
from analysis.streams.streaming import module_of
from probing_vlp.dump import CaptionDump
from probing_vlp.records import Image

MOST = 1000
MARKING = ("nouns", "drift", "patterns")
"""Analyses whose columns are looked through for marks, beside the patterns that were found in each dump."""
COMMON = 0.9
"""A mark that at least this share of the captions of every dump have is none."""
LONGEST = 500
"""Characters of a caption that the page holds."""
COUNTS = {"words": "longer", "nouns": "more nouns"}
Marks = Mapping[str, Mapping[str, np.ndarray]]
"""(n,) of zeros and ones by mark, by dump."""


@dataclass(frozen=True)
class Browse:
    """The data of the search, and what the page says of it."""

    data: Markup
    count: int
    total: int
    photos: int
    """Images with a photograph in the page."""
    on_request: bool
    """Whether COCO's server has photographs that the page has not."""


def sample(common: Sequence[int], always: Sequence[int], seed: int) -> list[int]:
    """All images, or MOST of them, `always` among them, ascending."""
    if len(common) <= MOST:
        return list(common)
    rest = sorted(set(common) - set(always))
    drawn = np.random.default_rng(seed).choice(rest, MOST - len(set(always)), replace=False)
    return sorted({*always, *map(int, drawn)})


def find_marks(dumps: Sequence[CaptionDump], context: Context, skip: Sequence[str]) -> Marks:
    """The marks of every dump, from the analyses that were made."""
    found: dict[str, dict[str, np.ndarray]] = {dump.name: {} for dump in dumps}
    for name in (name for name in MARKING if name in ANALYSES and name not in skip):
        for dump in dumps:
            found[dump.name] |= columns_of(module_of(name).columns, readings(dump, context), context)
    if "found-patterns" in ANALYSES and "found-patterns" not in skip:
        for source in dumps[1:] or dumps:
            discovery, _ = find(readings(source, context), context)
            for dump in dumps:
                found[dump.name] |= columns_once(readings(dump, context), discovery, context)
    return _compared(dumps, {model: dict(filter(_marks, by_name.items())) for model, by_name in found.items()})


def _marks(named: tuple[str, np.ndarray]) -> bool:
    name, column = named
    return name in COUNTS or bool(np.isin(column, (0, 1)).all())


def _compared(dumps: Sequence[CaptionDump], found: Mapping[str, Mapping[str, np.ndarray]]) -> Marks:
    """Counts as marks: whether each is larger than in the first dump."""
    first = {record.image_id: i for i, record in enumerate(dumps[0].records)}
    marks: dict[str, dict[str, np.ndarray]] = {}
    for dump in dumps:
        marks[dump.name] = {name: column for name, column in found[dump.name].items() if name not in COUNTS}
        if dump is not dumps[0]:
            places = [first.get(record.image_id, -1) for record in dump.records]
            for name in COUNTS.keys() & found[dump.name].keys():
                before = np.append(found[dumps[0].name][name], np.inf)[places]
                marks[dump.name][f"{COUNTS[name]} than {dumps[0].name}"] = found[dump.name][name] > before
    return marks


def build_browse(
    dumps: Sequence[CaptionDump],
    images: Sequence[Image],
    photos: Sequence[Photo],
    total: int,
    context: Context,
    marks: Marks,
    main: str,
) -> Browse:
    """The data; `photos` stand in the order of `images`, `total` is how many images there are in all."""
    scorers = [next(iter(reward_scorers(dump)), main) for dump in dumps]
    names = [name for name in dict.fromkeys(key for by_name in marks.values() for key in by_name) if _used(marks, name)]
    models = [
        _model(dumps[0], dump, scorer, marks[dump.name], names) for dump, scorer in zip(dumps, scorers, strict=True)
    ]
    rows = [
        {
            "id": image.image_id,
            "photo": photo.source,
            "url": photo.url,
            "credit": image.license,
            "human": list(context.references.get(image.image_id, ()))[:1],
            "captions": [by_image[image.image_id] for by_image in models],
        }
        for image, photo in zip(images, photos, strict=True)
    ]
    data = {
        "models": [dump.name for dump in dumps],
        "scorers": scorers,
        "marks": [spoken(name) for name in names],
        "images": rows,
    }
    shown = sum(bool(photo.source) for photo in photos)
    on_request = any(photo.url and not photo.source for photo in photos)
    return Browse(script_json(data), len(images), total, shown, on_request)


def _used(marks: Marks, name: str) -> bool:
    """Whether a mark tells captions apart: some dump has it, and it is no fact of the images."""
    shares = [float(np.mean(by_name[name])) for by_name in marks.values() if name in by_name]
    return max(shares) > 0 and min(shares) < COMMON


def _model(
    first: CaptionDump, dump: CaptionDump, scorer: str, marks: Mapping[str, np.ndarray], names: Sequence[str]
) -> dict[int, list[Any]]:
    """[caption, score, change of score against the first dump, places of its marks] by image id."""
    scores, before = (scores_by_image(one, scorer) for one in (dump, first))
    found = {}
    for i, record in enumerate(dump.records):
        score, old = scores.get(record.image_id), before.get(record.image_id)
        change = score - old if score is not None and old is not None and dump is not first else None
        own = [place for place, name in enumerate(names) if name in marks and marks[name][i]]
        caption = record.caption if len(record.caption) <= LONGEST else f"{record.caption[:LONGEST]}…"
        found[record.image_id] = [caption, _short(score), _short(change), own]
    return found


def _short(value: float | None) -> float | None:
    return None if value is None or value != value else float(f"{value:.4g}")


def spoken(mark: str) -> str:
    """A column's name for readers."""
    kind, *rest = mark.split(":", 2)
    if kind.startswith("found_"):
        return f"{kind.replace('_', ' ')} {rest[-1]}"
    return mark.replace("_", " ").replace(":", " ")


def script_json(data: Any) -> Markup:
    """JSON that may stand inside a script element: no "<" in it can end the element or open a comment."""
    return Markup(json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"))
