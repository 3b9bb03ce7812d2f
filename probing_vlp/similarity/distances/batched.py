"""Many models against one target at once: Spearman on test parts, its word bootstrap, its Mantel permutation test.

A *part* is a set of test words with the distances of every model between them: all words where the layer is fixed,
one half of a split where it was chosen on the other half.  A score is the mean over parts.

- Word bootstrap: words are drawn with replacement, pairs of a word with itself are left out.  A draw gives the pair
  (i, j) the weight c_i c_j, c being how often a word was drawn, and Spearman's rho of the drawn pairs is the weighted
  correlation of weighted mid-ranks, r(k) = W(before k) + (w(k) - 1) / 2 + 1.  The order of the distances is the same
  in every draw, so that one sort a model is enough and a draw costs a running sum.
- Mantel test: t = sum over parts of z . r(target), z being a model's centred and scaled ranks inside the part and r
  the target's ranks over all words.  The words of the target are permuted, all parts alike, which keeps what
  overlapping halves share; p = (1 + #{t permuted >= t}) / (1 + permutations).

All models see the same draws and permutations, so differences between them are paired.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np

from probing_vlp.similarity.distances.measures import ranks
from probing_vlp.similarity.distances.rdms import square

BLOCK = 1 << 15
"""Numbers in a block of draws: its arrays stay in a processor's cache."""
TOGETHER = 32
"""Permutations in a block of the Mantel test."""
EVEN = 1e-12
"""How close a permuted statistic may come to the real one and count as equal, as a part of its largest value."""


class Part(NamedTuple):
    """Test words and the distances between them, upper triangles by rows."""

    rows: np.ndarray
    """(w,) places of the words among all words."""
    models: np.ndarray
    """(N, w (w - 1) / 2) one row a model."""
    references: np.ndarray
    """(K, w (w - 1) / 2): the target first, then controls."""


class Ranking(NamedTuple):
    """The order of a vector's values, and the groups of ties in it."""

    order: np.ndarray
    starts: np.ndarray | None
    """Where each group of equal values starts; None where all values differ."""


def correlations(parts: Sequence[Part]) -> tuple[np.ndarray, np.ndarray]:
    """Spearman in each part: (parts, N, K) of models with references, (parts, K, K) of references with each other."""
    with_models, among = [], []
    for part in parts:
        models, references = unit_ranks(part.models), unit_ranks(part.references)
        with_models.append(models @ references.T)
        among.append(references @ references.T)
    return np.stack(with_models), np.stack(among)


def bootstrap(parts: Sequence[Part], counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same as `correlations` in every draw: (draws, parts, N, K) and (draws, parts, K, K) float32.

    counts: (draws, words) how often each word was drawn.  NaN where a draw leaves a part without variance.
    """
    done = [_bootstrap_part(part, counts) for part in parts]
    return np.stack([models for models, _ in done], axis=1), np.stack([among for _, among in done], axis=1)


def mantel(
    rows: Sequence[np.ndarray], statistics: Sequence[np.ndarray], target: np.ndarray, permutations: np.ndarray
) -> np.ndarray:
    """(N,) p of each model with the target.

    rows, statistics: for each part its words and (N, pairs) what the target's ranks are multiplied by, `unit_ranks`
    of distances; target: (pairs,) its distances between all words; permutations: (P, words).
    """
    count, n = permutations.shape
    weights = _embedded(rows, statistics, n).reshape(len(statistics[0]), n * n)
    centred = square(ranks(target) - (len(target) + 1) / 2, n)
    observed = weights @ centred.ravel()
    least = observed - EVEN * np.abs(weights) @ np.abs(centred.ravel())
    hits = np.zeros(len(weights))
    half, moved = np.empty((n, n)), np.empty((min(TOGETHER, count), n, n))
    for start in range(0, count, TOGETHER):
        orders = permutations[start : start + TOGETHER]
        for order, matrix in zip(orders, moved, strict=False):
            np.take(centred, order, axis=0, out=half, mode="clip")
            np.take(half, order, axis=1, out=matrix, mode="clip")  # clip: "raise" would work on a copy
        drawn = weights @ moved[: len(orders)].reshape(len(orders), n * n).T
        hits += (drawn >= least[:, None]).sum(axis=1)
    return np.where(np.isfinite(observed), (1 + hits) / (1 + count), np.nan)


def word_counts(words: int, draws: int, seed: int) -> np.ndarray:
    """(draws, words) int32: how often each word comes up when as many words are drawn with replacement.

    The draws of `resampling.word_draws` with this seed.
    """
    generator = np.random.default_rng([seed, crc32(b"word bootstrap")])
    drawn = [np.bincount(generator.integers(words, size=words), minlength=words) for _ in range(draws)]
    return np.array(drawn, np.int32).reshape(draws, words)


def word_permutations(words: int, permutations: int, seed: int) -> np.ndarray:
    """(permutations, words) orders of the words: those of `permutation.mantel` with this seed."""
    generator = np.random.default_rng([seed, crc32(b"mantel")])
    return np.array([generator.permutation(words) for _ in range(permutations)], np.int64).reshape(-1, words)


def unit_ranks(vectors: np.ndarray) -> np.ndarray:
    """Mid-ranks of each row, less their mean, of length 1: their products are Spearman's rho; NaN without variance."""
    centred = np.stack([ranks(vector) for vector in vectors]) - (vectors.shape[1] + 1) / 2
    lengths = np.sqrt((centred * centred).sum(axis=1, keepdims=True))
    return centred / np.where(lengths > 0, lengths, np.nan)


def _ranking(vector: np.ndarray) -> Ranking:
    order = np.argsort(vector, kind="stable")
    ordered = vector[order]
    new = np.append(True, ordered[1:] > ordered[:-1])
    return Ranking(order, None if new.all() else np.flatnonzero(new))


def _bootstrap_part(part: Part, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    models, references = ([_ranking(vector) for vector in side] for side in (part.models, part.references))
    first, second = (part.rows[i] for i in np.triu_indices(len(part.rows), 1))

    def block(drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        weights = drawn[:, first] * drawn[:, second]
        length = _length(weights)
        fixed = np.stack([_in_place(ranking, weights, length) for ranking in references])  # (K, draws, pairs)
        weighted = fixed * weights.astype(np.float32)
        found = [_products(ranking, weights, weighted, length) for ranking in models]
        return np.stack(found, axis=1), np.einsum("kbp,lbp->bkl", weighted, fixed)

    done = _threaded(block, counts, max(1, BLOCK // max(len(first), 1)))
    return np.concatenate([found for found, _ in done]), np.concatenate([among for _, among in done])


def _in_place(ranking: Ranking, weights: np.ndarray, length: np.ndarray) -> np.ndarray:
    """(draws, pairs) weighted mid-ranks in the order of the pairs, less their mean, of weighted length 1."""
    ordered, own = _ordered_ranks(ranking, weights, length)
    ranks = np.empty_like(ordered)
    ranks[:, ranking.order] = ordered
    return ranks / own[:, None]


def _products(ranking: Ranking, weights: np.ndarray, weighted: np.ndarray, length: np.ndarray) -> np.ndarray:
    """(draws, K) correlations of one model with references that carry the weights already, (K, draws, pairs)."""
    ordered, own = _ordered_ranks(ranking, weights, length)
    return np.stack([np.vecdot(each.take(ranking.order, axis=1), ordered) / own for each in weighted], axis=1)


def _ordered_ranks(ranking: Ranking, weights: np.ndarray, length: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Twice the centred mid-ranks, (draws, pairs) float32, in the order of the values; their weighted length (draws,).

    weights: (draws, pairs) int32, whose running sums are three times as fast as those of floats, and exact.
    """
    groups = weights.take(ranking.order, axis=1)
    if ranking.starts is not None:
        groups = np.add.reduceat(groups, ranking.starts, axis=1)
        length = _length(groups)
    ranks = np.cumsum(groups, axis=1, dtype=np.int32)
    whole = ranks[:, -1:].copy()
    ranks *= 2
    ranks -= groups
    ranks -= whole
    if ranking.starts is not None:
        ranks = np.repeat(ranks, np.diff(np.append(ranking.starts, weights.shape[1])), axis=1)
    return ranks.astype(np.float32), length


def _length(groups: np.ndarray) -> np.ndarray:
    """(draws,) root of the weighted sum of squares of twice the centred mid-ranks, (W^3 - sum of g^3) / 3, where W is
    the whole weight and g that of a group of ties; NaN where it is 0."""
    size = groups.astype(np.float64)
    squares = (size.sum(axis=1) ** 3 - (size * size * size).sum(axis=1)) / 3
    return np.sqrt(np.where(squares > 0, squares, np.nan)).astype(np.float32)


def _embedded(rows: Sequence[np.ndarray], statistics: Sequence[np.ndarray], n: int) -> np.ndarray:
    """(N, n, n): the statistics of every part, summed where parts share a pair; upper triangles."""
    total = np.zeros((len(statistics[0]), n, n))
    for words, statistic in zip(rows, statistics, strict=True):
        first, second = (words[i] for i in np.triu_indices(len(words), 1))
        total[:, np.minimum(first, second), np.maximum(first, second)] += statistic
    return total


def _threaded(block: Callable[[np.ndarray], Any], rows: np.ndarray, size: int) -> list[Any]:
    """`block` of `size` rows at a time, in order; numpy's inner loops run beside each other."""
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return list(threads.map(block, [rows[i : i + size] for i in range(0, len(rows), size)]))
