"""How far the captioner went from the CE model, and from its own reward's rivals: what the run and the scores tell.

    kl            mean of the logged KL to the CE model (nats a word, on samples of the captioner) over the last WINDOW
                  logged steps up to the step whose weights wrote the captions; 0 for a CE model by definition
    own_gain      mean over images of (score after - score before) / s, averaged over the scorers trained on, with s the
                  standard deviation over images of the first dump's scores: 1 is one standard deviation
    held_out_gain the same, averaged over the scorers that were not trained on
    score_gap     own_gain - held_out_gain, image by image: what the reward sees and nobody else does

A scorer that has not scored both dumps is left out, and an image that one of the scorers could not score.
"""

import numpy as np

from analysis.context import Context
from analysis.curves import read_training
from analysis.scores import reward_scorers, scores_by_image
from probing_vlp.dump import CaptionDump
from probing_vlp.pages.results import Row, row, unavailable
from probing_vlp.stats import Estimate, bootstrap_mean

SOURCE = __name__
WINDOW = 10
KL_UNIT, GAIN_UNIT = "nats/word", "standard deviations"


def kl_row(dump: CaptionDump) -> Row:
    """The KL to the CE model, or why there is none; n is the number of logged steps behind it."""
    if dump.header.get("kind") == "ce":
        return Row("drift:kl", dump.name, 0.0, None, None, 0, KL_UNIT, SOURCE, "the CE model itself")
    training = read_training(dump)
    curve = next((curve for curve in training.curves if curve.key == "kl"), None)
    if curve is None:
        return unavailable("drift:kl", dump.name, KL_UNIT, SOURCE, training.note or "its run has logged no KL")
    values = curve.values[curve.steps <= (training.step or curve.steps[-1])][-WINDOW:]
    if not len(values):
        return unavailable("drift:kl", dump.name, KL_UNIT, SOURCE, f"nothing logged before step {training.step}")
    note = f"mean of the last {len(values)} logged steps up to {training.step or int(curve.steps[-1])}"
    return Row("drift:kl", dump.name, float(values.mean()), None, None, len(values), KL_UNIT, SOURCE, note)


def gain_rows(dump: CaptionDump, first: CaptionDump, context: Context) -> list[Row]:
    """own_gain, held_out_gain and score_gap of a dump against the first one."""
    own = reward_scorers(dump)
    scorers = dict.fromkeys(name for record in dump.records for name in record.scores)
    gains = {name: _gain(name, dump, first) for name in scorers}
    known = {name: gain for name, gain in gains.items() if gain}
    sides = {
        "own_gain": [name for name in known if name in own],
        "held_out_gain": [name for name in known if name not in own],
    }
    means = {key: _mean([known[name] for name in names]) for key, names in sides.items()}
    shared = means["own_gain"].keys() & means["held_out_gain"].keys()
    means["score_gap"] = {image: means["own_gain"][image] - means["held_out_gain"][image] for image in sorted(shared)}
    sides["score_gap"] = [*sides["own_gain"], "minus", *sides["held_out_gain"]]
    why = f"no scorer has scored both this dump and {first.name} on that side"
    if not own:
        why = "the dump names no reward"
    return [
        _gain_row(f"drift:{key}", dump, list(means[key].values()), " ".join(sides[key]), why, context) for key in means
    ]


def _gain_row(name: str, dump: CaptionDump, values: list[float], note: str, why: str, context: Context) -> Row:
    if not values or not reward_scorers(dump):
        return unavailable(name, dump.name, GAIN_UNIT, SOURCE, why)
    estimate: Estimate = bootstrap_mean(np.array(values), context.generator(name), context.draws)
    return row(name, dump.name, estimate, GAIN_UNIT, SOURCE, note)


def _gain(scorer: str, dump: CaptionDump, first: CaptionDump) -> dict[int, float]:
    """By image, in standard deviations of the first dump's scores; empty where it cannot be had."""
    after, before = scores_by_image(dump, scorer), scores_by_image(first, scorer)
    values = np.array([value for value in before.values() if not np.isnan(value)])
    spread = values.std(ddof=1) if len(values) > 1 else 0.0
    gains = {image: (after[image] - before[image]) / spread for image in after.keys() & before.keys() if spread > 0}
    return {image: gain for image, gain in sorted(gains.items()) if not np.isnan(gain)}


def _mean(gains: list[dict[int, float]]) -> dict[int, float]:
    """Mean over scorers of each image that all of them have."""
    shared = set.intersection(*map(set, gains)) if gains else set()
    return {image: sum(gain[image] for gain in gains) / len(gains) for image in sorted(shared)}
