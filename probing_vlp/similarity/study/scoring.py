"""Scores of many spaces against one target: every subset and measure, with draws of words and permutations.

A *space* is what one encoder, trained or not, makes of the words under one condition.  A *base* is a list of words that
some spaces all know, with the subsets in it; layers are chosen on the base (layers.py), for every target anew, and kept
for its subsets, as in the paper.  All spaces of a base are scored on the same halves, draws and permutations.

Measures, x the space, t the target, c the control (the experiential model, or a counterpart without images):
spearman     r(x, t), the mean over held-out halves where the layer is cross-validated
residual     the paper's: least squares of x on c on raw distances, Spearman of what is left with t.  In the bootstrap
             the regression is not made anew: its coefficients are those of all words
semipartial  (r_xt - r_xc r_ct) / sqrt(1 - r_xc^2)
partial      the same over sqrt(1 - r_ct^2) too; its p is that of the semi-partial, whose numerator it shares
and, as "residual without" and so on, each with x and c exchanged: what c has and x has not.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from probing_vlp.similarity.distances import batched
from probing_vlp.similarity.distances.batched import Part
from probing_vlp.similarity.distances.rdms import FEWEST, Rdms, from_vectors, square
from probing_vlp.similarity.encoders.caching import Extracted
from probing_vlp.similarity.encoders.layers import Chosen, choose
from probing_vlp.similarity.study.removing import CONTROLLED, controlled, left
from probing_vlp.similarity.study.targets import Target


@dataclass(frozen=True)
class Space:
    """What an encoder makes of the words under a condition; `seed` is that of untrained weights."""

    model: str
    condition: str
    seed: int | None
    extracted: Extracted

    @property
    def key(self) -> tuple[str, str, int | None]:
        """What tells it from the others."""
        return self.model, self.condition, self.seed

    @cached_property
    def digest(self) -> str:
        """Changes with anything that a score depends on."""
        held = self.extracted
        digest = hashlib.sha256(repr((held.words, held.layers, held.vectors.shape)).encode())
        digest.update(np.ascontiguousarray(held.vectors).tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Base:
    """Words on which layers are chosen, alphabetical, and the subsets that are scored."""

    name: str
    words: tuple[str, ...]
    subsets: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Plan:
    """How scores are made."""

    layer_mode: str = "crossvalidated"
    layer: str = "last"
    splits: int = 5
    draws: int = 1000
    permutations: int = 1000
    seed: int = 1


@dataclass(frozen=True)
class Score:
    """A number with its draws of words."""

    value: float
    drawn: np.ndarray
    p: float = float("nan")


@dataclass(frozen=True)
class Scored:
    """All scores of a space against a target: by (subset, measure, versus)."""

    layers: str
    profile: Mapping[str, float]
    consensus: str
    scores: dict[tuple[str, str, str], Score] = field(default_factory=dict)
    people: dict[str, np.ndarray] = field(default_factory=dict)
    """By subset, (participants,) the correlation with each one's matrix."""
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By subset, its words and the pairs of a part, on the average."""


@dataclass(frozen=True)
class _Fit:
    """A space with its layers chosen for a target."""

    space: Space
    chosen: Chosen
    parts: Sequence[np.ndarray]
    """(w, w) distances between the words of each part."""


class _Cut(NamedTuple):
    """A subset of the words: which ones, and which of them are in each part."""

    name: str
    members: np.ndarray
    rows: Sequence[np.ndarray]
    """For each part, places among all words."""
    kept: Sequence[np.ndarray]
    """For each part, which of its words these are."""

    def of(self, matrices: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Upper triangles of the parts' matrices, these words only."""
        return [_upper(matrix[np.ix_(keep, keep)]) for matrix, keep in zip(matrices, self.kept, strict=True)]

    def among(self, vector: np.ndarray, words: int) -> list[np.ndarray]:
        """Upper triangles, part by part, from the distances between all words."""
        whole = square(vector, words)
        return [_upper(whole[np.ix_(rows, rows)]) for rows in self.rows]


class _Line(NamedTuple):
    """Distances, or what is left of them, that are scored: a vector a part."""

    fit: int
    measure: str
    versus: str
    parts: Sequence[np.ndarray]


def score(
    spaces: Sequence[Space],
    target: Target,
    base: Base,
    plan: Plan,
    experiential: Rdms | None = None,
    counterparts: Mapping[str, str] | None = None,
) -> dict[tuple[str, str, int | None], Scored]:
    """Scores of every space, by its key.

    `experiential` is taken out of trained spaces if it is given; `counterparts` names for a model the one whose space
    under the same condition is taken out of it.  Every space must know every word of the base.
    """
    words = tuple(word for word in base.words if word in target.rdms.positions)
    if experiential is not None:
        words = tuple(word for word in words if word in experiential.positions)
    fits = [_fit(space, target, words, plan) for space in spaces]
    places = {word: row for row, word in enumerate(words)}
    rows = [np.array([places[word] for word in part.words]) for part in fits[0].chosen.parts]
    counts = batched.word_counts(len(words), plan.draws, plan.seed)
    found = {fit.space.key: Scored(_told(fit.chosen), dict(fit.chosen.profile), fit.chosen.consensus) for fit in fits}
    for name, members in base.subsets.items():
        inside = np.isin(words, members)
        kept = [inside[part] for part in rows]
        if min(int(each.sum()) for each in kept) < FEWEST:
            continue
        cut = _Cut(name, np.flatnonzero(inside), [part[keep] for part, keep in zip(rows, kept, strict=True)], kept)
        goals = target.rdms.take(words)
        control = experiential.take(words) if experiential is not None else None
        _score_cut(found, fits, goals, control, cut, counts, plan, counterparts or {})
    return found


def _score_cut(
    found: dict[tuple[str, str, int | None], Scored],
    fits: Sequence[_Fit],
    goals: Rdms,
    control: Rdms | None,
    cut: _Cut,
    counts: np.ndarray,
    plan: Plan,
    counterparts: Mapping[str, str],
) -> None:
    """Put the scores of a subset into `found`."""
    n = goals.n_cond
    references = [cut.among(each.group, n) for each in (goals, control) if each is not None]
    spaces = [_Line(i, "spearman", "", cut.of(fit.parts)) for i, fit in enumerate(fits)]
    lines = [*spaces, *_residuals(fits, spaces, control, references, counterparts)]
    parts = [
        Part(rows, np.stack([line.parts[k] for line in lines]), np.stack([each[k] for each in references]))
        for k, rows in enumerate(cut.rows)
    ]
    values, among = batched.correlations(parts)
    drawn, drawn_among = batched.bootstrap(parts, counts)
    tested = _p_values(lines, fits, parts, goals, cut, plan)
    for i, line in enumerate(lines):
        scored = found[fits[line.fit].space.key]
        made = Score(float(values[:, i, 0].mean()), drawn[:, :, i, 0].mean(axis=1), float(tested[i]))
        scored.scores[cut.name, line.measure, line.versus] = made
        scored.sizes[cut.name] = (len(cut.members), round(np.mean([part.references.shape[1] for part in parts])))
        if control is None or line.measure != "spearman" or fits[line.fit].space.seed is not None:
            continue
        exact = controlled(values[:, i, 0], values[:, i, 1], among[:, 0, 1])
        spread = controlled(drawn[:, :, i, 0], drawn[:, :, i, 1], drawn_among[:, :, 0, 1])
        p = float(tested[len(lines) + i])
        for name, value, draws in zip(CONTROLLED, exact, spread, strict=True):
            p_here = p if "without" not in name else float("nan")
            scored.scores[cut.name, name, control.source] = Score(float(value.mean()), draws.mean(axis=1), p_here)
    if goals.n_rdm > 1:
        _people(found, fits, spaces, goals, cut)


def _residuals(
    fits: Sequence[_Fit],
    spaces: Sequence[_Line],
    control: Rdms | None,
    references: Sequence[Sequence[np.ndarray]],
    counterparts: Mapping[str, str],
) -> list[_Line]:
    """What least squares leave: of trained spaces without the control, of the control without them, and of spaces
    without their counterparts."""
    lines = []
    places = {fit.space.key: i for i, fit in enumerate(fits)}
    for i, fit in enumerate(fits):
        if fit.space.seed is not None:
            continue
        own = spaces[i].parts
        if control is not None:
            pairs = list(zip(own, references[1], strict=True))
            lines.append(_Line(i, "residual", control.source, [left(x, c) for x, c in pairs]))
            lines.append(_Line(i, "residual without", control.source, [left(c, x) for x, c in pairs]))
        other = places.get((counterparts.get(fit.space.model, ""), fit.space.condition, None))
        if other is not None:
            rest = [left(x, c) for x, c in zip(own, spaces[other].parts, strict=True)]
            lines.append(_Line(i, "residual", counterparts[fit.space.model], rest))
    return lines


def _p_values(
    lines: Sequence[_Line], fits: Sequence[_Fit], parts: Sequence[Part], goals: Rdms, cut: _Cut, plan: Plan
) -> np.ndarray:
    """p of every line, then of the semi-partial of every space where there is a control."""
    statistics = []
    spaces = [line.measure == "spearman" for line in lines]
    for part in parts:
        units = batched.unit_ranks(part.models)
        if len(part.references) > 1:
            control = batched.unit_ranks(part.references[1:])[0]
            left = units[spaces] - (units[spaces] @ control)[:, None] * control
            units = np.concatenate([units, left / np.linalg.norm(left, axis=1, keepdims=True)])
        statistics.append(units)
    own = square(goals.group, goals.n_cond)[np.ix_(cut.members, cut.members)]
    orders = batched.word_permutations(len(cut.members), plan.permutations, plan.seed)
    if not len(orders):
        return np.full(len(statistics[0]), np.nan)
    return batched.mantel([np.searchsorted(cut.members, rows) for rows in cut.rows], statistics, _upper(own), orders)


def _people(
    found: dict[tuple[str, str, int | None], Scored],
    fits: Sequence[_Fit],
    spaces: Sequence[_Line],
    goals: Rdms,
    cut: _Cut,
) -> None:
    """Each participant's correlation, the mean over parts."""
    each = [cut.among(vector, goals.n_cond) for vector in goals.dissimilarities]
    total = np.zeros((len(fits), goals.n_rdm))
    for k in range(len(cut.rows)):
        models = batched.unit_ranks(np.stack([line.parts[k] for line in spaces]))
        total += models @ batched.unit_ranks(np.stack([person[k] for person in each])).T
    for fit, values in zip(fits, total / len(cut.rows), strict=True):
        found[fit.space.key].people[cut.name] = values


def _fit(space: Space, target: Target, words: Sequence[str], plan: Plan) -> _Fit:
    chosen = choose(space.extracted, target.rdms, plan.layer_mode, words, plan.seed, plan.layer, plan.splits)
    matrices = [
        from_vectors(part.words, part.vectors, source=f"{space.model}, {space.condition}").get_matrices()[0]
        for part in chosen.parts
    ]
    return _Fit(space, chosen, matrices)


def _told(chosen: Chosen) -> str:
    """Layers, the most frequent first."""
    return ", ".join(chosen.layers)


def _upper(matrix: np.ndarray) -> np.ndarray:
    return matrix[np.triu_indices(len(matrix), 1)]
