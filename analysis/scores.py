"""Matching scores of dumps, and the difference that training made over the same images.

The first dump is the baseline (by custom the CE model's): every other dump is compared with it image by image.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from analysis.context import Context
from probing_vlp.dump import CaptionDump
from probing_vlp.pages.results import Row, row, unavailable
from probing_vlp.stats import bootstrap_mean, bootstrap_paired

SOURCE = "analysis.scores"
UNIT = "raw score"


def scorer_names(dumps: Sequence[CaptionDump]) -> list[str]:
    """Names of the scorers that scored any of the dumps, in order of appearance."""
    return list(dict.fromkeys(name for dump in dumps for record in dump.records for name in record.scores))


def scores_by_image(dump: CaptionDump, scorer: str) -> dict[int, float]:
    """Raw score by image id, NaN where the scorer could not score; empty if it was not asked."""
    values = {record.image_id: record.scores[scorer] for record in dump.records if scorer in record.scores}
    return {key: float("nan") if value is None else float(value) for key, value in values.items()}


def reward_scorers(dump: CaptionDump) -> list[str]:
    """The scorers that the dump's captions were trained to please, heaviest first; none for a CE model."""
    signature = dump.header.get("signature")
    reward = signature.get("reward") if isinstance(signature, Mapping) else None
    return sorted(reward, key=lambda name: -reward[name]) if isinstance(reward, Mapping) else []


def main_scorer(dumps: Sequence[CaptionDump]) -> str:
    """What a comparison turns on: the reward of the first dump that had one, else the first scorer, else ""."""
    known = scorer_names(dumps)
    rewards = (scorer for dump in dumps for scorer in reward_scorers(dump) if scorer in known)
    return next(rewards, known[0] if known else "")


def mini_scorers(dumps: Sequence[CaptionDump]) -> list[str]:
    """The project's own small scorers among those that scored or rewarded the dumps, as the headers name them."""
    stated = {name for dump in dumps for name in dump.header.get("mini_scorers") or ()}
    return sorted(stated | {name for name in scorer_names(dumps) if name.startswith("mini-")})


def score_rows(dumps: Sequence[CaptionDump], context: Context) -> list[Row]:
    """For each scorer and dump: "score:NAME", "unscored:NAME", and "score_difference:NAME" against the first dump."""
    rows = []
    for scorer in scorer_names(dumps):
        before = scores_by_image(dumps[0], scorer)
        for place, dump in enumerate(dumps):
            scores = scores_by_image(dump, scorer)
            rows += _own_rows(scorer, dump.name, scores, context)
            if place and before and scores:
                rows.append(_difference(scorer, dump.name, dumps[0].name, scores, before, context))
    return rows


def _own_rows(scorer: str, model: str, scores: Mapping[int, float], context: Context) -> list[Row]:
    name = f"score:{scorer}"
    if not scores:
        return [unavailable(name, model, UNIT, SOURCE, f"not scored by {scorer}")]
    values = np.array(list(scores.values()))
    unscored = int(np.isnan(values).sum())
    mean = row(
        name,
        model,
        bootstrap_mean(values, context.generator(name), context.draws),
        UNIT,
        SOURCE,
        "unavailable: no caption could be scored" if unscored == len(values) else "",
    )
    return [mean, Row(f"unscored:{scorer}", model, float(unscored), None, None, len(values), "captions", SOURCE)]


def _difference(
    scorer: str, model: str, baseline: str, scores: Mapping[int, float], before: Mapping[int, float], context: Context
) -> Row:
    name = f"score_difference:{scorer}"
    shared = sorted(scores.keys() & before.keys())
    after, first = (np.array([by_image[key] for key in shared]) for by_image in (scores, before))
    estimate = bootstrap_paired(after, first, context.generator(name), context.draws)
    return row(name, model, estimate, UNIT, SOURCE, f"minus {baseline}, over the same images")
