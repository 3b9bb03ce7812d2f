"""Photographs of the test with questions and answers, picked by rule: from the worst answered to the best answered.

The images of one setting are put in order of the share of right answers (ties by name); those at evenly spaced places
are shown, the worst and the best among them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from markupsafe import Markup

from probing_vlp.errors import UserError
from probing_vlp.pages.pictures import small_jpeg
from probing_vlp.taxonomy.asking.images import ImageIndex, index_images
from probing_vlp.taxonomy.asking.taxonomies import load_taxonomy
from probing_vlp.taxonomy.prompts import question_text
from probing_vlp.taxonomy.report.measured import Measured, Setting, items_of

SIDE = 300
MOST_QUESTIONS = 8
"""That are shown of one photograph."""


@dataclass(frozen=True)
class Sample:
    """A photograph and what was asked about it."""

    image: str
    picture: str
    """Data URI; empty if there is no file."""
    asked: tuple[tuple[str, str, tuple[str, ...]], ...]
    """Question, right answer, answers of the systems."""


def open_index(options: Mapping[str, object]) -> ImageIndex | None:
    """The images of a run by its options; None if they are not where they were."""
    try:
        return index_images(
            str(options["images"]),
            load_taxonomy(str(options["taxonomy"])),
            int(str(options["mentions"])),
            int(str(options["split_seed"])),
            int(str(options["least"])),
            Path(str(options["photographs"])) if options.get("photographs") else None,
            Path(str(options["folders"])) if options.get("folders") else None,
        )
    except (UserError, KeyError, ValueError, OSError):
        return None


def pick(
    measured: Measured, setting: Setting, lms: Sequence[str], index: ImageIndex | None, count: int
) -> list[Sample]:
    """Samples of a setting's first run, with the answers of `lms` beside each other."""
    items = items_of(measured, setting)
    items = items[items["run"] == min(items["run"])] if len(items) else items
    right = (items["gold"].astype(str) == items["prediction"].astype(str)).groupby(items["image"].astype(str)).mean()
    names = [name for _, name in sorted(zip(right, right.index, strict=True))]
    chosen = sorted({round(place) for place in np.linspace(0, len(names) - 1, count)}) if names else []
    seed = str(items["seed"].iloc[0]) if len(items) else ""
    beside = {lm: items_of(measured, Setting(setting.encoder, lm, setting.map, setting.condition)) for lm in lms}
    beside = {lm: own[own["seed"] == seed] for lm, own in beside.items()}
    paths = {shown.image: shown.path for shown in index.parts["test"]} if index else {}
    return [_sample(names[place], items, beside, paths.get(names[place]), index) for place in chosen]


def _sample(
    name: str, items: pd.DataFrame, beside: Mapping[str, pd.DataFrame], path: Path | None, index: ImageIndex | None
) -> Sample:
    own = items[items["image"] == name].drop_duplicates("concept").astype({"concept": str, "gold": str})
    own = own.sort_values(["gold", "concept"], ascending=[False, True])[:MOST_QUESTIONS]
    answers = {}
    for lm, frame in beside.items():
        part = frame[frame["image"] == name]
        answers[lm] = dict(zip(part["concept"].astype(str), part["prediction"].astype(str), strict=True))
    asked = tuple(
        (_question(concept, index), gold, tuple(answers[lm].get(concept, "–") for lm in beside))
        for concept, gold in zip(own["concept"], own["gold"], strict=True)
    )
    return Sample(name, thumbnail(path) if path else "", asked)


def _question(concept: str, index: ImageIndex | None) -> str:
    known = index.taxonomy.hypernyms if index else {}
    return question_text(known[concept]) if concept in known else concept


def thumbnail(path: Path) -> str:
    """A small JPEG as a data URI; empty if the file cannot be read."""
    try:
        return small_jpeg(path.read_bytes(), SIDE, 80).source
    except (OSError, ValueError, SyntaxError):
        return ""


def gallery(samples: Sequence[Sample], systems: Sequence[str]) -> Markup:
    """The samples as cards of the page."""
    cards = []
    for sample in samples:
        picture = (
            Markup('<img src="{}" alt="Photograph {}">').format(sample.picture, sample.image) if sample.picture else ""
        )
        head = Markup("").join(Markup('<th scope="col">{}</th>').format(name) for name in ("right", *systems))
        rows = Markup("").join(_row(*asked) for asked in sample.asked)
        table = Markup("<table><thead><tr><td></td>{}</tr></thead><tbody>{}</tbody></table>").format(head, rows)
        cards.append(
            Markup('<article>{}<h3><span class="n">{}</span></h3><div class="scroll">{}</div></article>').format(
                picture, sample.image, table
            )
        )
    return Markup('<div class="examples">{}</div>').format(Markup("").join(cards))


def _row(question: str, gold: str, answers: Sequence[str]) -> Markup:
    cells = Markup("").join(
        Markup("<td>{}</td>" if answer == gold else "<td><mark>{}</mark></td>").format(answer) for answer in answers
    )
    return Markup('<tr><th scope="row">{}</th><td>{}</td>{}</tr>').format(question, gold, cells)
