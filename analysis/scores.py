"""Matching scores of dumps, and the difference that training made over the same images.

The first dump is the baseline (by custom the CE model's): every other dump is compared with it image by image.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from analysis.context import Context
from analysis.results import Row, row, unavailable
from probing_vlp.dump import CaptionDump
from probing_vlp.stats import bootstrap_mean, bootstrap_paired

SOURCE = "analysis.scores"


def scorer_names(dumps: Sequence[CaptionDump]) -> list[str]:
    """Names of the scorers that scored any of the dumps, in order of appearance."""
    return list(dict.fromkeys(name for dump in dumps for record in dump.records for name in record.scores))


def scores_by_image(dump: CaptionDump, scorer: str) -> dict[int, float]:
    """Raw score by image id, NaN where the scorer could not score; empty if it was not asked."""
    values = {record.image_id: record.scores[scorer] for record in dump.records if scorer in record.scores}
    return {key: float("nan") if value is None else float(value) for key, value in values.items()}


def rewarded_scorer(dump: CaptionDump) -> str:
    """The scorer that the dump's captions were trained to please, "" if it has none.

    The header's config names it ("reward", as a name or a mapping of names to weights); else a scorer of the dump's own
    name.
    """
    config = dump.header.get("config")
    named: Any = dump.header.get("reward") or (config.get("reward") if isinstance(config, Mapping) else None)
    known = scorer_names([dump])
    chosen = [named] if isinstance(named, str) else list(named) if isinstance(named, Mapping | list | tuple) else []
    return next((name for name in [*chosen, dump.name] if name in known), "")


def main_scorer(dumps: Sequence[CaptionDump]) -> str:
    """What a comparison turns on: the reward of the first dump that had one, else the first scorer, else ""."""
    rewards = (rewarded_scorer(dump) for dump in dumps)
    return next((scorer for scorer in rewards if scorer), next(iter(scorer_names(dumps)), ""))


def score_rows(dumps: Sequence[CaptionDump], context: Context) -> list[Row]:
    """For each scorer and dump: "score:NAME", "unscored:NAME", and "score_difference:NAME" against the first dump."""
    rows = []
    for scorer in scorer_names(dumps):
        unit = score_unit(dumps, scorer)
        before = scores_by_image(dumps[0], scorer)
        for place, dump in enumerate(dumps):
            scores = scores_by_image(dump, scorer)
            rows += _own_rows(scorer, dump.name, scores, unit, context)
            if place and before and scores:
                rows.append(_difference(scorer, dump.name, dumps[0].name, scores, before, unit, context))
    return rows


def _own_rows(scorer: str, model: str, scores: Mapping[int, float], unit: str, context: Context) -> list[Row]:
    name = f"score:{scorer}"
    if not scores:
        return [unavailable(name, model, unit, SOURCE, f"not scored by {scorer}")]
    values = np.array(list(scores.values()))
    unscored = int(np.isnan(values).sum())
    mean = row(name, model, bootstrap_mean(values, context.generator(name), context.draws), unit, SOURCE,
               "unavailable: no caption could be scored" if unscored == len(values) else "")
    return [mean, Row(f"unscored:{scorer}", model, float(unscored), None, None, len(values), "captions", SOURCE)]


def _difference(scorer: str, model: str, baseline: str, scores: Mapping[int, float], before: Mapping[int, float],
                unit: str, context: Context) -> Row:
    name = f"score_difference:{scorer}"
    shared = sorted(scores.keys() & before.keys())
    after, first = (np.array([by_image[key] for key in shared]) for by_image in (scores, before))
    estimate = bootstrap_paired(after, first, context.generator(name), context.draws)
    return row(name, model, estimate, unit, SOURCE, f"minus {baseline}, over the same images")


def score_unit(dumps: Sequence[CaptionDump], scorer: str) -> str:
    """The unit that a header states for a scorer ("scorers": {NAME: {"unit": ...}}), else "score"."""
    return next((str(info["unit"]) for info in scorer_infos(dumps, scorer) if info.get("unit")), "score")


def scorer_infos(dumps: Sequence[CaptionDump], scorer: str) -> list[Mapping[str, Any]]:
    """What the headers say of a scorer."""
    stated = (dump.header.get("scorers") for dump in dumps)
    infos = (scorers.get(scorer) for scorers in stated if isinstance(scorers, Mapping))
    return [info for info in infos if isinstance(info, Mapping)]


def mini_scorers(dumps: Sequence[CaptionDump]) -> dict[str, str]:
    """Scorers of a dump that are the project's mini ones, each with what its header says it was trained on."""
    minis = {}
    for scorer in scorer_names(dumps):
        infos = scorer_infos(dumps, scorer)
        if scorer.startswith("mini") or any(info.get("mini") for info in infos):
            minis[scorer] = next((str(info["trained_on"]) for info in infos if info.get("trained_on")), "")
    return minis
