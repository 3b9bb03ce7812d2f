"""Which layer of an encoder is compared with a target.

fixed            one layer by name or place; nothing is chosen, no data are used twice
best3            the paper's: the three layers with the highest Spearman correlation with the very target, on the very
                 words; the mean of their vectors makes one space.  Circular: the numbers it gives are too high
crossvalidated   (default) words are cut into halves several times; the best layer on one half is scored on the other,
                 both ways; the score is the mean over all held-out halves.  An encoder of one layer is scored on
                 the same halves, so that it is compared with the others on the same pairs

Source: Bavaresco & Fernández (CoNLL 2025), section 4 (best3); its circularity is ours to say.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple
from zlib import crc32

import numpy as np
from scipy.stats import rankdata

from probing_vlp.errors import UserError
from probing_vlp.similarity.distances.joining import join
from probing_vlp.similarity.distances.rdms import Rdms, from_vectors
from probing_vlp.similarity.encoders.caching import Extracted

MODES = ("crossvalidated", "fixed", "best3")
SPLITS = 5
FEWEST = 8
"""Words that can be cut into two halves with pairs to rank in each."""
NOTES = {
    "fixed": "the layer was given beforehand",
    "best3": "the mean of the three layers that fit this target best on these words, as in the paper: chosen and "
    "scored on the same data, so the score is too high",
    "crossvalidated": "the layer was chosen on one half of the words and scored on the other, {splits} times both ways",
}


class Part(NamedTuple):
    """Words to score on and their vectors (W, D), in a space chosen without them (except in best3)."""

    words: tuple[str, ...]
    vectors: np.ndarray
    layers: tuple[str, ...]


class Chosen(NamedTuple):
    """What a choice of layers gives: one part, or each held-out half of crossvalidated."""

    mode: str
    parts: tuple[Part, ...]
    profile: Mapping[str, float]
    """Spearman of every layer with the target over all words."""
    note: str
    consensus: str
    """The layer chosen most often (the first of them in a tie); of best3 the best one."""

    @property
    def layers(self) -> tuple[str, ...]:
        """The chosen layers, the most frequent first."""
        return tuple(name for name, _ in Counter(name for part in self.parts for name in part.layers).most_common())

    def mean(self, score: Callable[[Part], float]) -> float:
        """The mean of a score over the parts."""
        return float(np.mean([score(part) for part in self.parts]))


def choose(
    extracted: Extracted,
    target: Rdms,
    mode: str = "crossvalidated",
    words: Sequence[str] | None = None,
    seed: int = 1,
    layer: str | int = "last",
    splits: int = SPLITS,
) -> Chosen:
    """Layers for a target (its group RDM), over the words that both have, among `words` if given; alphabetical.

    Same seed and words, same halves, whatever the encoder: models are compared on the same halves.  UserError for fewer
    than eight shared words, a layer or mode that there is not, and vectors whose cosine is undefined.
    """
    if mode not in MODES:
        raise UserError(f"layer mode '{mode}' is not one of {', '.join(MODES)}")
    shared, distances, goal = _distances(extracted, target, words)
    profile = dict(zip(extracted.layers, _scores(distances, goal, np.arange(len(shared))).tolist(), strict=True))
    if mode == "crossvalidated":
        parts = _crossvalidated(extracted, shared, distances, goal, seed, splits)
    elif mode == "best3":
        parts = [_best3(extracted, shared, profile)]
    else:
        parts = [_part(extracted, shared, range(len(shared)), extracted.place(layer))]
    votes = Counter(part.layers[0] for part in parts)
    consensus = max(extracted.layers, key=lambda name: (votes[name], -extracted.layers.index(name)))
    note = "there is one layer" if len(extracted.layers) == 1 else NOTES[mode].format(splits=splits)
    if mode == "best3" and len(set(extracted.info.get("widths", ()))) > 1:
        note += "; its layers have different widths and were filled up with zeros"
    return Chosen(mode, tuple(parts), profile, note, consensus)


def _distances(
    extracted: Extracted, target: Rdms, words: Sequence[str] | None
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """Shared words; distances (L, W, W) of each layer and (W, W) of the target."""
    among = set(extracted.words) if words is None else set(words)
    wanted = [word for word in extracted.words if word in among]
    if len(wanted) < FEWEST:
        raise UserError(
            f"{extracted.model}: {len(wanted)} of the words asked for are there; {FEWEST} or more are needed"
        )
    there = extracted.only(wanted)
    spaces = [from_vectors(there.words, vectors.astype(np.float64)) for vectors in there.vectors]
    (goal, *layers), report = join(target.mean(), *spaces)
    if len(report.words) < FEWEST:
        raise UserError(f"{extracted.model}: {len(report.words)} words are shared with the target; {FEWEST} are needed")
    return report.words, np.concatenate([each.get_matrices() for each in layers]), goal.get_matrices()[0]


def _crossvalidated(
    extracted: Extracted, words: Sequence[str], distances: np.ndarray, goal: np.ndarray, seed: int, splits: int
) -> list[Part]:
    parts = []
    for split in range(splits):
        order = np.random.default_rng([seed, crc32(b"halves of words"), split]).permutation(len(words))
        halves = np.sort(order[: len(words) // 2]), np.sort(order[len(words) // 2 :])
        for chosen_on, scored_on in (halves, halves[::-1]):
            best = int(np.argmax(_scores(distances, goal, chosen_on)))
            parts.append(_part(extracted, words, scored_on, best))
    return parts


def _best3(extracted: Extracted, words: Sequence[str], profile: Mapping[str, float]) -> Part:
    scores = np.array(list(profile.values()))
    best = np.argsort(-scores, kind="stable")[:3]
    vectors = extracted.only(words).vectors[best].mean(axis=0)
    return Part(tuple(words), vectors, tuple(extracted.layers[i] for i in best))


def _part(extracted: Extracted, words: Sequence[str], rows: Sequence[int] | np.ndarray, layer: int) -> Part:
    kept = tuple(words[row] for row in rows)
    return Part(kept, extracted.only(kept).vectors[layer], (extracted.layers[layer],))


def _scores(distances: np.ndarray, goal: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(L,) Spearman of each layer with the target among the words of `rows`; -1 where a layer has no variance."""
    upper = np.triu_indices(len(rows), 1)
    one, other = rows[upper[0]], rows[upper[1]]
    wanted = _unit(rankdata(goal[one, other]))
    return np.array(
        [
            float(_unit(rankdata(layer[one, other])) @ wanted) if np.ptp(layer[one, other]) else -1.0
            for layer in distances
        ]
    )


def _unit(ranks: np.ndarray) -> np.ndarray:
    centred = ranks - ranks.mean()
    length = float(np.linalg.norm(centred))
    return np.asarray(centred / length if length else centred)
