"""Example images of a report, picked by rule and not by taste: largest, median and smallest gain in score."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from analysis.report.photos import Photo
from analysis.scores import SOURCE, UNIT, scores_by_image
from probing_vlp.dump import CaptionDump
from probing_vlp.pages.results import Row
from probing_vlp.pages.tables import Cell, Line, Table
from probing_vlp.records import Image


class Pick(NamedTuple):
    """An image and why it was picked."""

    image_id: int
    why: str


class Said(NamedTuple):
    """A caption of an example and who wrote it; `score` is the row with its score, None if it has none."""

    model: str
    caption: str
    score: Row | None


@dataclass(frozen=True)
class Example:
    """An image of the report: its photograph, what people wrote, what each dump wrote."""

    image: Image
    why: str
    photo: Photo
    human: str
    captions: tuple[Said, ...]


def pick_examples(dumps: Sequence[CaptionDump], common: Sequence[int], scorer: str) -> tuple[list[Pick], str]:
    """Up to three images and the rule that picked them.

    With two dumps scored by `scorer`: largest, median and smallest gain of the second over the first, the lower image
    id first among equals.  Else the first, middle and last image id.
    """
    gains: list[tuple[float, int]] = []
    if scorer and len(dumps) > 1:
        before, after = (scores_by_image(dump, scorer) for dump in dumps[:2])
        gains = [(after[key] - before[key], key) for key in common if key in before and key in after]
        gains = sorted((gain, key) for gain, key in gains if gain == gain)  # a NaN is not equal to itself
    if gains:
        whys = {
            "largest gain": max(gains, key=lambda pair: (pair[0], -pair[1])),
            "median gain": gains[len(gains) // 2],
            "smallest gain": gains[0],
        }
        rule = (
            f"picked by rule: the largest, the median and the smallest gain in {scorer}'s score from "
            f"{dumps[0].name} to {dumps[1].name}, of {len(gains):,} images"
        )
        picks = {key: Pick(key, why) for why, (_, key) in reversed(whys.items())}
        return list(reversed(picks.values())), rule
    ids = sorted(common)
    chosen = dict.fromkeys((ids[0], ids[len(ids) // 2], ids[-1]))
    return [Pick(key, "") for key in chosen], f"picked by rule: first, middle and last image id of {len(ids):,}"


def example_table(examples: Sequence["Example"], models: Sequence[str]) -> Table:
    """Table 3: an image a line, with what people and each dump wrote."""
    lines = tuple(
        Line(
            f"image {example.image.image_id}",
            (
                Cell(example.human or "–"),
                *(Cell(next((s.caption for s in example.captions if s.model == model), "–")) for model in models),
            ),
        )
        for example in examples
    )
    return Table("table-3", "Captions of the same photographs", ("a person", *models), lines, wordy=True)


def example_rows(dumps: Sequence[CaptionDump], picks: Sequence[Pick], scorer: str) -> list[Row]:
    """The scores that are shown beside example captions: "example:IMAGE_ID:NAME"."""
    rows = []
    for dump in dumps:
        scores = scores_by_image(dump, scorer)
        rows += [
            Row(
                f"example:{pick.image_id}:{scorer}",
                dump.name,
                scores[pick.image_id],
                None,
                None,
                1,
                UNIT,
                SOURCE,
                pick.why,
            )
            for pick in picks
            if pick.image_id in scores and scores[pick.image_id] == scores[pick.image_id]
        ]
    return rows


def build_examples(
    dumps: Sequence[CaptionDump],
    picks: Sequence[Pick],
    images: Sequence[Image],
    photos: Sequence[Photo],
    references: Mapping[int, tuple[str, ...]],
    rows: Sequence[Row],
) -> list[Example]:
    """Examples in the order of `picks`; `images` and `photos` stand in the same order."""
    scores = {(row.name.split(":")[1], row.model): row for row in rows if row.name.startswith("example:")}
    texts = {dump.name: {record.image_id: record.caption for record in dump.records} for dump in dumps}
    examples = []
    for pick, image, photo in zip(picks, images, photos, strict=True):
        said = tuple(
            Said(dump.name, texts[dump.name][pick.image_id], scores.get((str(pick.image_id), dump.name)))
            for dump in dumps
            if pick.image_id in texts[dump.name]
        )
        human = references.get(pick.image_id)
        examples.append(Example(image, pick.why, photo, human[0] if human else "", said))
    return examples
