"""Rows from scores: each score with its interval, the mean of untrained twins, and differences on the same draws.

Differences (first less second), with the word bootstrap's interval and two-sided p:
    versus model:NAME       two trained models, the same sentences
    versus untrained        a trained model and the mean of its twins
    versus condition:NAME   one model, trained or the mean of its twins, in two conditions; layers chosen in each
    versus subset:NAME      one model on objects and on events; the words differ, so the draws are those of each half
Share: what the mean of the twins has of the trained model's correlation; none where that is not above 0.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from probing_vlp.similarity.distances import batched
from probing_vlp.similarity.distances.ceilings import noise_ceiling
from probing_vlp.similarity.distances.joining import join
from probing_vlp.similarity.distances.model_comparison import difference, paired
from probing_vlp.similarity.distances.rdms import pairs_of, square
from probing_vlp.similarity.distances.resampling import interval
from probing_vlp.similarity.study.rows import Row, finite, with_interval
from probing_vlp.similarity.study.scoring import Base, Plan, Score, Scored
from probing_vlp.similarity.study.targets import Target

Key = tuple[str, str, int | None]
HALVES = ("objects", "events")
WITHOUT = " without"


class Panel(NamedTuple):
    """The scores of one base of words against one target with one way of choosing layers."""

    base: Base
    target: Target
    layer_mode: str
    scored: Mapping[Key, Scored]
    note: str = ""

    @property
    def models(self) -> list[str]:
        """In the order in which they were given."""
        return list(dict.fromkeys(model for model, _, _ in self.scored))

    @property
    def conditions(self) -> list[str]:
        """In the order in which they were given."""
        return list(dict.fromkeys(condition for _, condition, _ in self.scored))

    def subsets(self) -> list[str]:
        """Those with enough words."""
        first = next(iter(self.scored.values()))
        return [name for name in self.base.subsets if name in first.sizes]

    def trained(self, model: str, condition: str, subset: str) -> Score | None:
        """Its correlation with the target."""
        held = self.scored.get((model, condition, None))
        return held.scores.get((subset, "spearman", "")) if held else None

    def untrained(self, model: str, condition: str, subset: str) -> Score | None:
        """The mean of its twins' correlations, draw by draw."""
        twins = [
            held.scores[subset, "spearman", ""]
            for (name, where, seed), held in self.scored.items()
            if (name, where) == (model, condition) and seed is not None and (subset, "spearman", "") in held.scores
        ]
        if not twins:
            return None
        return Score(float(np.mean([one.value for one in twins])), np.mean([one.drawn for one in twins], axis=0))

    def row(self, subset: str, **rest: Any) -> Row:
        """A row of this panel."""
        words, pairs = next(iter(self.scored.values())).sizes[subset]
        return Row(
            layer_mode=self.layer_mode, target=self.target.name, subset=subset, n_words=words, n_pairs=pairs, **rest
        )


def panel_rows(panel: Panel) -> Iterator[Row]:
    """Everything that one panel says."""
    for subset in panel.subsets():
        yield from _scores(panel, subset)
        yield from _twins(panel, subset)
        yield from _differences(panel, subset)
        yield from _participants(panel, subset)
    yield from _halves(panel)
    yield from _profiles(panel)


def _scores(panel: Panel, subset: str) -> Iterator[Row]:
    for (model, condition, seed), held in panel.scored.items():
        for (where, measure, versus), score in held.scores.items():
            if where != subset:
                continue
            exchanged = measure.endswith(WITHOUT)
            yield panel.row(
                subset,
                model=versus if exchanged else model,
                condition=condition,
                layers=held.layers,
                measure=measure.removesuffix(WITHOUT),
                versus=model if exchanged else versus,
                rho=finite(score.value),
                p=finite(score.p),
                seed=seed,
                trained=seed is None,
                note=panel.note if finite(score.value) is not None else "the distances do not differ here",
                **with_interval(score.drawn),
            )


def _twins(panel: Panel, subset: str) -> Iterator[Row]:
    for model in panel.models:
        for condition in panel.conditions:
            twins, own = panel.untrained(model, condition, subset), panel.trained(model, condition, subset)
            if twins is None:
                continue
            place = {"model": model, "condition": condition}
            spread = with_interval(twins.drawn)
            note = "mean of the untrained seeds"
            yield panel.row(subset, **place, rho=finite(twins.value), trained=False, note=note, **spread)
            if own is None:
                continue
            yield _difference(panel, subset, own, twins, versus="untrained", **place)
            with np.errstate(invalid="ignore", divide="ignore"):
                shares = twins.drawn / np.where(own.drawn > 0, own.drawn, np.nan)
            if own.value > 0 and interval(own.drawn).low > 0:
                value = twins.value / own.value
                yield panel.row(subset, **place, measure="share", rho=finite(value), **with_interval(shares))


def _differences(panel: Panel, subset: str) -> Iterator[Row]:
    for condition in panel.conditions:
        for one, other in combinations(panel.models, 2):
            scores = panel.trained(one, condition, subset), panel.trained(other, condition, subset)
            if scores[0] and scores[1]:
                place: dict[str, Any] = {"model": one, "condition": condition, "versus": f"model:{other}"}
                yield _difference(panel, subset, *scores, **place)
    for model in panel.models:
        for later, first in combinations(reversed(panel.conditions), 2):
            for find, trained in ((panel.trained, True), (panel.untrained, False)):
                scores = find(model, later, subset), find(model, first, subset)
                if scores[0] and scores[1]:
                    yield _difference(
                        panel,
                        subset,
                        *scores,
                        model=model,
                        condition=later,
                        versus=f"condition:{first}",
                        trained=trained,
                    )


def _halves(panel: Panel) -> Iterator[Row]:
    if not set(HALVES) <= set(panel.subsets()):
        return
    objects, events = HALVES
    for model in panel.models:
        for condition in panel.conditions:
            scores = panel.trained(model, condition, events), panel.trained(model, condition, objects)
            if scores[0] and scores[1]:
                place: dict[str, Any] = {"model": model, "condition": condition, "versus": f"subset:{objects}"}
                yield _difference(panel, events, *scores, **place)


def _difference(panel: Panel, subset: str, first: Score | None, second: Score | None, **place: Any) -> Row:
    assert first and second
    found = difference(first.value - second.value, first.drawn, second.drawn)
    return panel.row(
        subset,
        measure="difference",
        rho=finite(found.value),
        ci_low=finite(found.interval.low),
        ci_high=finite(found.interval.high),
        p=finite(found.p),
        **place,
    )


def _participants(panel: Panel, subset: str) -> Iterator[Row]:
    """Mean over participants with its interval over participants, and paired t tests of trained models."""
    people = {key: held.people[subset] for key, held in panel.scored.items() if subset in held.people}
    generator = np.random.default_rng(0)
    picks = generator.integers(panel.target.participants, size=(1000, panel.target.participants))
    for (model, condition, seed), values in people.items():
        place = {"model": model, "condition": condition, "seed": seed, "trained": seed is None}
        drawn = values[picks].mean(axis=1)
        rho = finite(values.mean())
        yield panel.row(subset, **place, measure="participants", rho=rho, **with_interval(drawn))
    trained = {key: values for key, values in people.items() if key[2] is None}
    for (one, other), (own, others) in zip(combinations(trained, 2), combinations(trained.values(), 2), strict=True):
        if one[1] == other[1]:
            test = paired(own, others)
            gaps = own - others
            yield panel.row(
                subset,
                model=one[0],
                condition=one[1],
                versus=f"model:{other[0]}",
                measure="participants difference",
                rho=finite(gaps.mean()),
                p=finite(test.p_t),
                note=f"paired t over {test.n} participants on Fisher z; Wilcoxon p = {test.p_wilcoxon:.3g}",
                **with_interval(gaps[picks].mean(axis=1)),
            )


def _profiles(panel: Panel) -> Iterator[Row]:
    for (model, condition, seed), held in panel.scored.items():
        words = held.sizes.get(panel.base.name, (0, 0))[0]  # those that the target has too
        for layer, rho in held.profile.items():
            yield Row(
                model=model,
                condition=condition,
                layer_mode="each",
                layers=layer,
                subset=panel.base.name,
                target=panel.target.name,
                rho=finite(rho),
                n_words=words,
                n_pairs=pairs_of(words),
                seed=seed,
                trained=seed is None,
            )


def target_rows(targets: Sequence[Target], subsets: Mapping[str, Iterable[str]], plan: Plan) -> Iterator[Row]:
    """What targets have to do with each other, the spread of their distances, and noise ceilings."""
    for name, members in subsets.items():
        wanted = set(members)
        for one in targets:
            words = [word for word in one.rdms.words if word in wanted]
            if len(words) < 4:
                continue
            held = one.rdms.take(words)
            sizes: dict[str, Any] = {"subset": name, "n_words": len(words), "n_pairs": held.n_pairs}
            counts = batched.word_counts(len(words), plan.draws, plan.seed)
            yield Row(
                target=one.name, measure="spread", rho=finite(held.group.std()), **sizes, **_spread(held.group, counts)
            )
            if held.n_rdm > 1:
                bounds = noise_ceiling(held.dissimilarities, source=one.name)
                note = f"{held.n_rdm} participants"
                yield Row(target=one.name, measure="ceiling_low", rho=bounds.lower, note=note, **sizes)
                yield Row(target=one.name, measure="ceiling_high", rho=bounds.upper, note=note, **sizes)
        for one, other in combinations(targets, 2):
            yield from _between(one, other, name, wanted, plan)


def _between(one: Target, other: Target, subset: str, wanted: set[str], plan: Plan) -> Iterator[Row]:
    shared = [word for word in one.rdms.words if word in wanted and word in other.rdms.positions]
    if len(shared) < 4:
        return
    (first, second), report = join(one.rdms.take(shared), other.rdms.take(shared))
    part = batched.Part(np.arange(len(report.words)), first.group[None], second.group[None])
    value = float(batched.correlations([part])[0][0, 0, 0])
    drawn = batched.bootstrap([part], batched.word_counts(len(report.words), plan.draws, plan.seed))[0][:, 0, 0, 0]
    yield Row(
        model=one.name,
        target=other.name,
        subset=subset,
        rho=finite(value),
        n_words=first.n_cond,
        n_pairs=first.n_pairs,
        note="two targets",
        **with_interval(drawn),
    )


def _spread(distances: np.ndarray, counts: np.ndarray) -> dict[str, Any]:
    """Interval of their standard deviation over draws of words: sums over pairs from matrix products."""
    drawn = counts.astype(float)
    n = drawn.shape[1]
    once, twice = square(distances, n), square(distances**2, n)
    pairs = drawn.sum(axis=1) ** 2 - (drawn**2).sum(axis=1)
    mean, mean_square = (np.einsum("dw,dw->d", drawn @ matrix, drawn) / pairs for matrix in (once, twice))
    return with_interval(np.sqrt(np.maximum(mean_square - mean**2, 0)))
