"""Two files with words in them, compared: what the distances of the one say about the distances of the other.

A is the model and B the target.  Both are joined by word, in alphabetical order, before distances are made, so that
the order of a file changes neither a value nor what a seed draws.  A stack of participants is compared by the plain
mean of their matrices, the paper's group RDM (`group`, which is also `value`); for a target, the mean over participants
of the measure against each one's matrix stands beside it (`mean`), and their noise ceiling.  A stack of models or of
controls counts as its mean.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from math import isfinite, nan
from typing import NamedTuple

import numpy as np

from probing_vlp.errors import UserError
from probing_vlp.similarity.distances import ceilings, measures, model_comparison, permutation, resampling
from probing_vlp.similarity.distances.joining import JoinReport, Named, join
from probing_vlp.similarity.distances.rdms import Rdms
from probing_vlp.similarity.distances.resampling import Interval

NO_INTERVAL = Interval(nan, nan, 0)


class People(NamedTuple):
    """What the participants of the target say one by one."""

    names: tuple[str, ...]
    each: np.ndarray
    """(participants,) the measure against each one's matrix."""
    mean: float
    bounds: tuple[ceilings.Ceiling, ...]
    """The noise ceiling of the measure, and those of corr and cosine."""
    mean_interval: Interval = NO_INTERVAL
    group_interval: Interval = NO_INTERVAL
    ceiling_lower_interval: Interval = NO_INTERVAL
    ceiling_upper_interval: Interval = NO_INTERVAL


@dataclass(frozen=True)
class Rival:
    """A second model against the same target."""

    value: float
    between: float
    """The correlation of the two models, after what the measure removes."""
    difference: model_comparison.Difference
    closed_forms: dict[str, model_comparison.ZTest]
    participants: model_comparison.Paired | None


@dataclass(frozen=True)
class Comparison:
    """A measure with all that is known about it; NaN where something was not asked for."""

    measure: str
    value: float
    p: float
    ci_low: float
    ci_high: float
    n_words: int
    n_pairs: int
    ceiling_low: float
    ceiling_high: float
    n_participants: int
    join: JoinReport
    p_greater: float = nan
    p_two_sided: float = nan
    alternative: str = "greater"
    permutations: int = 0
    draws: int = 0
    """Draws of words behind ci_low and ci_high."""
    ceiling_method: str = ""
    people: People | None = None
    rival: Rival | None = None


def compare(
    a: Named,
    b: Named,
    controls: Sequence[Named] = (),
    measure: str = "spearman",
    permutations: int = 0,
    bootstrap: int = 0,
    seed: int = 1,
    words: Collection[str] | None = None,
    alternative: str = "greater",
    metric: str = "cosine",
    ceiling: bool = False,
    against: Named | None = None,
) -> Comparison:
    """Measure model `a` against target `b`, with p, intervals and ceiling as far as they are asked for.

    `words` restricts the words; `ceiling` demands a noise ceiling, which a stack of participants has in any case;
    `against` is a second model.  UserError for what cannot be compared.
    """
    measures.check_measure(measure, len(controls))
    permutation.check_alternative(alternative)
    models = [a] if against is None else [a, against]
    joined, report = join(*models, b, *controls, within=words)
    matrices = [each.distances(metric) for each in joined]
    firsts, target, removed = matrices[: len(models)], matrices[len(models)], matrices[len(models) + 1 :]
    if ceiling:
        ceilings.check_participants(target.n_rdm, target.source)
    names = [each.source for each in removed]
    prepared = [
        measures.prepare(measure, one.group, [each.group for each in removed], names=[one.source or "A", *names])
        for one in firsts
    ]
    ranks = _target_ranks(target)
    found = permutation.mantel(prepared[0], ranks, target.n_cond, permutations, seed)
    drawn = resampling.word_draws(
        measure,
        [one.group for one in firsts],
        target.group,
        [each.group for each in removed],
        target.n_cond,
        bootstrap,
        seed,
    )
    between = resampling.interval(drawn[0])
    made = Comparison(
        measure, _number(found.value, measure), found.p(alternative), between.low, between.high, target.n_cond,
        target.n_pairs, nan, nan, target.n_rdm, report, found.p_greater, found.p_two_sided, alternative, permutations,
        between.draws,
    )  # fmt: skip
    if target.n_rdm > 1:
        made = _with_people(made, prepared[0], target, bootstrap, seed)
    if against is not None:
        made = replace(made, rival=_rival(made, prepared, ranks, target, drawn))
    return made


def _target_ranks(target: Rdms) -> np.ndarray:
    if (target.group == target.group[0]).all():
        raise UserError(f"{target.source or 'B'}: all distances are the same, so that nothing correlates with them")
    return measures.ranks(target.group)


def _number(value: float, measure: str) -> float:
    if not isfinite(value):
        raise UserError(f"measure {measure}: the controls leave nothing of the target")
    return value


def _with_people(made: Comparison, prepared: measures.Prepared, target: Rdms, draws: int, seed: int) -> Comparison:
    method = "rho-a" if made.measure == "rho-a" else "spearman"
    methods = (method, "corr", "cosine")
    bounds = tuple(ceilings.noise_ceiling(target.dissimilarities, name, target.source) for name in methods)
    each = np.array([prepared.of(measures.ranks(one)) for one in target.dissimilarities])
    people = People(target.participants, each, float(each.mean()), bounds)
    if draws:
        drawn = resampling.participant_draws(prepared, target.dissimilarities, draws, seed, method == "spearman")
        people = People(*people[:4], *(resampling.interval(values) for values in drawn))
    low, high, *_ = bounds[0]
    return replace(made, ceiling_low=low, ceiling_high=high, ceiling_method=method, people=people)


def _rival(
    made: Comparison, prepared: Sequence[measures.Prepared], ranks: np.ndarray, target: Rdms, drawn: np.ndarray
) -> Rival:
    own, other = prepared
    value = _number(float(other.of(ranks)), made.measure)
    rows = own.rows[0], other.rows[0]
    between = float(rows[0] @ rows[1] / np.sqrt((rows[0] @ rows[0]) * (rows[1] @ rows[1])))
    n = made.n_pairs
    forms = {
        "steiger_z": model_comparison.steiger_z(made.value, value, between, n),
        "meng_z": model_comparison.meng_z(made.value, value, between, n),
        "fisher_z_paper": model_comparison.fisher_z_paper(made.value, value, n),
    }
    people = None
    if made.people is not None:
        theirs = np.array([other.of(measures.ranks(one)) for one in target.dissimilarities])
        people = model_comparison.paired(made.people.each, theirs)
    return Rival(value, between, model_comparison.difference(made.value - value, *drawn), forms, people)
