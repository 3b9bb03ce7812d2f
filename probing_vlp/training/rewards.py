"""Rewards: raw scores of captions by one or several scorers, kept apart until their weighted sum.

B images, S samples an image, K scorers.  NaN ("could not score") in any scorer of weight other than zero makes the
sum NaN;
`advantage.py` says what becomes of it.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from rich.progress import track
from torch import Tensor

from probing_vlp.data.visuals import VisualSource
from probing_vlp.errors import UserError
from probing_vlp.records import Image
from probing_vlp.scorers import load_scorer
from probing_vlp.scorers.base import trusting

ENCODE_BATCH = 256
REGIONS = "region_file"
"""The option of any scorer that is not its own: its region features."""


class Reward:
    """A weighted sum of scorers; the images of a split are encoded once and then known by their row in it."""

    def __init__(
        self,
        weights: Mapping[str, float],
        options: Mapping[str, Mapping[str, Any]],
        source: VisualSource,
        quiet: bool = False,
    ) -> None:
        """`weights` by scorer name; `options` by scorer name are passed on to it."""
        if not weights or all(weight == 0 for weight in weights.values()):
            raise UserError("no reward: give at least one scorer a weight other than 0, as in --scorers.mini-clip 1")
        self.weights, self.options, self.source, self.quiet = dict(weights), options, source, quiet
        self.scorers = load_scorers(weights, options, source.trust_pickle)
        self._encoded: dict[str, dict[str, Any]] = {}

    def encode(self, split: str, images: Sequence[Image]) -> None:
        """Encode the images of a split for every scorer."""
        self._encoded[split] = {
            name: encode_images(scorer, images, seen_by(self.source, self.options, name), self.quiet)
            for name, scorer in self.scorers.items()
        }

    def __call__(
        self, split: str, rows: Sequence[int], captions: Sequence[str], ended: Sequence[bool]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Weighted sum (N,) and the raw scores by scorer (N,); caption i belongs to row rows[i] of the split.

        `ended` says which captions came to an end before they were cut; only a scorer with `counts_end` asks.
        """
        raw = {
            name: score_captions(scorer, self._encoded[split][name].select(rows), captions, ended)
            for name, scorer in self.scorers.items()
        }
        total = torch.zeros(len(captions))
        for name, scores in raw.items():
            if self.weights[name]:
                total = total + self.weights[name] * scores
        # an infinite reward would swamp every other: it is no score
        total = torch.where(torch.isfinite(total), total, torch.nan)
        return total, raw


def score_captions(scorer: Any, encoded: Any, captions: Sequence[str], ended: Sequence[bool] | None = None) -> Tensor:
    """(N,) scores; whether captions ended is told to scorers that count the end (CIDEr-D)."""
    scores: Tensor = (
        scorer.score(encoded, captions, ended=ended)
        if getattr(scorer, "counts_end", False) and ended
        else scorer.score(encoded, captions)
    )
    return scores


def load_scorers(
    names: Collection[str], options: Mapping[str, Mapping[str, Any]], trust_pickle: bool = False
) -> dict[str, Any]:
    """The scorers by name, each with its own options; `trust_pickle` goes to those that can be told.

    UserError if there are options for a scorer that is not asked for.
    """
    for name in options:
        if name not in names:
            raise UserError(f"--options has options for '{name}'; the scorers are {', '.join(names)}")
    return {name: load_scorer(name, **{**trusting(name, trust_pickle), **own_options(options, name)}) for name in names}


def own_options(options: Mapping[str, Mapping[str, Any]], name: str) -> dict[str, Any]:
    """What a scorer itself is told: all its options but where its regions lie."""
    return {key: value for key, value in options.get(name, {}).items() if key != REGIONS}


def seen_by(source: VisualSource, options: Mapping[str, Mapping[str, Any]], name: str) -> VisualSource:
    """The images as a scorer sees them: its option `region_file` takes the place of --data.regions, as models differ in
    the detector that they were trained with."""
    return source.with_regions(options[name][REGIONS]) if REGIONS in options.get(name, {}) else source


def mini_scorers(scorers: Mapping[str, Any]) -> list[str]:
    """Names of the scorers that are small ones trained by this project; reports say so."""
    return sorted(name for name, scorer in scorers.items() if getattr(scorer, "mini", False))


def encode_images(scorer: Any, images: Sequence[Image], source: VisualSource, quiet: bool = False) -> Any:
    """All images through the scorer's own encoder, ENCODE_BATCH at a time if its encodings can be joined."""
    if scorer.visual == "references" or len(images) <= ENCODE_BATCH:  # CIDEr-D's document frequencies need them all
        return scorer.encode(source.get(scorer.visual, images))
    first = scorer.encode(source.get(scorer.visual, images[:ENCODE_BATCH]))
    if not hasattr(first, "join"):
        return scorer.encode(source.get(scorer.visual, images))
    parts = [first]
    for start in track(range(ENCODE_BATCH, len(images), ENCODE_BATCH), f"encoding for {scorer.name}", disable=quiet):
        parts.append(scorer.encode(source.get(scorer.visual, images[start : start + ENCODE_BATCH])))
    return type(first).join(parts)


def check_scored(rewards: Tensor, raw: Mapping[str, Tensor]) -> None:
    """UserError if no caption of the batch could be scored: training on it would teach nothing."""
    if bool(torch.isnan(rewards).all()):
        blame = [name for name, scores in raw.items() if bool(torch.isnan(scores).all())]
        raise UserError(
            f"scorer {', '.join(blame) or 'sum'} gave NaN for all {len(rewards)} captions of the batch; check its "
            "checkpoint and its inputs with: python probe.py score"
        )


def mean_or_none(values: Tensor) -> float | None:
    """Mean of the finite values, for a log line; None if there are none."""
    value = float(torch.nanmean(values.double())) if len(values) else math.nan
    return value if math.isfinite(value) else None
