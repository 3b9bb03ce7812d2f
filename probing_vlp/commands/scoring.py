"""Scores of captions of a list of images, and which images and data a dump speaks of."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from probing_vlp.data.visuals import DataConfig, VisualSource
from probing_vlp.dump import CaptionDump, finite_or_none
from probing_vlp.errors import UserError
from probing_vlp.files import sha256_tree
from probing_vlp.records import CaptionRecord, Image
from probing_vlp.training.rewards import encode_images, score_captions, seen_by

WEIGHTS = ("checkpoint", "config", "vocab")
"""Options of a scorer that name files which its scores hang on, and which are small enough to be read for it."""


class Scoring:
    """Raw scores of captions of a list of images by several scorers, the images encoded once."""

    def __init__(
        self,
        scorers: Mapping[str, Any],
        options: Mapping[str, Mapping[str, Any]],
        source: VisualSource,
        images: Sequence[Image],
    ) -> None:
        self.scorers = scorers
        self.encoded = {
            name: encode_images(scorer, images, seen_by(source, options, name)) for name, scorer in scorers.items()
        }

    def add(
        self, rows: Sequence[int], records: Sequence[CaptionRecord], ended: Sequence[bool] | None = None
    ) -> list[CaptionRecord]:
        """The records with a score by each scorer; record i belongs to image row rows[i], `ended`: it was not cut."""
        captions = [record.caption for record in records]
        found = {
            name: score_captions(scorer, self.encoded[name].select(rows), captions, ended).tolist()
            for name, scorer in self.scorers.items()
        }
        return [
            replace(record, scores={**record.scores, **{name: finite_or_none(found[name][i]) for name in found}})
            for i, record in enumerate(records)
        ]


def weights_of(options: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """SHA-256 by scorer and option of the WEIGHTS that its options name on disk; of a folder that of all its files."""
    found: dict[str, dict[str, str]] = {}
    for name, given in options.items():
        paths = {key: Path(str(given[key])) for key in WEIGHTS if given.get(key)}
        found[name] = {key: sha256_tree(path) for key, path in paths.items() if path.exists()}
    return {name: sums for name, sums in found.items() if sums}


def unscored(records: Sequence[CaptionRecord], names: Sequence[str]) -> str:
    """How many captions each scorer could not score, for the end of a line; empty if all are scored."""
    counts = {name: sum(record.scores[name] is None for record in records) for name in names}
    said = ", ".join(f"{count} by {name}" for name, count in counts.items() if count)
    return f"; could not be scored: {said}" if said else ""


def data_of(found: CaptionDump, given: DataConfig) -> DataConfig:
    """The data that the captions were made from, as far as the dump says, with what is given in its place.

    Trust in pickles is never taken from a dump, which may be somebody else's.
    """
    stated = known_options(found.header.get("config", {}).get("data", {}), found.path or Path(found.name))
    stated = {key: value for key, value in stated.items() if key != "trust_pickle"}
    usual = vars(DataConfig())
    return DataConfig(
        **{**usual, **stated, **{key: value for key, value in vars(given).items() if value != usual[key]}}
    )


def known_options(stated: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """What a file says of its data; UserError for an option that DataConfig has not, or a value of another type."""
    for key, value in stated.items():
        usual = vars(DataConfig()).get(key, ...)
        fits = isinstance(value, bool) if isinstance(usual, bool) else isinstance(value, str) or value is usual
        if usual is ... or not fits:
            raise UserError(
                f"{path}: its config.data has {key} {json.dumps(value)}, which is no option of the data; the options "
                f"are {', '.join(vars(DataConfig()))}"
            )
    return dict(stated)


def images_of(found: CaptionDump, source: VisualSource) -> list[Image]:
    """The images of a dump, once each, as the data know them, else as the dump names them."""
    by_id = {image.image_id: image for image in source.data.images}
    named = {record.image_id: record.file_name for record in found.records}
    return [by_id.get(image_id) or Image(image_id, name, "") for image_id, name in named.items()]


def check_known(dump: str, data: DataConfig, images: Sequence[Image], source: VisualSource) -> None:
    """UserError for an image that the data do not know, for scorers that read the data."""
    known = {image.image_id for image in source.data.images}
    missing = next((image.image_id for image in images if image.image_id not in known), None)
    if missing is not None:
        raise UserError(f"{dump}: image {missing} is not in the data {data.source}; give its data with --data.source")
