"""Distance matrices over named words (RDMs); joining.py joins them by word.

`Rdms` holds the upper triangles, row by row, as rsatoolbox's `RDMs` does and under its names (`dissimilarities`,
`n_rdm`, `n_cond`, `get_matrices`); `toolbox()` makes the toolbox's own object of it, without a
copy, for its `compare`, plots, inference and files.  The class is ours because importing rsatoolbox takes two to four
seconds (it loads scikit-learn, networkx and matplotlib), longer than all that a comparison of 1,854 words may take,
and because its `compare` never looks at names.

Cosine distance, as in the paper and as scipy's `pdist(x, "cosine")`: 1 - x_i.x_j / (|x_i| |x_j|), on the raw vectors,
in float64; no centring and no scaling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np

from probing_vlp.errors import UserError

METRICS = ("cosine", "correlation")
FEWEST = 4
"""Words that a comparison needs: three have three pairs, and every order of those is as likely as one in six."""
WIDE = 8
"""From this width on a vector that repeats one number is a failed extraction rather than a finding."""
ASYMMETRY = 1e-5
"""How far the two triangles of a matrix may differ, as a part of its largest number: rounding in float32."""


@dataclass(frozen=True)
class Rdms:
    """One distance matrix over words, or a stack of them, one a participant.

    words: W names, all different; dissimilarities: (participants, W (W - 1) / 2) float64, upper triangles by rows;
    participants: their names.  UserError for duplicate words and for numbers that are missing or endless.
    """

    words: tuple[str, ...]
    dissimilarities: np.ndarray
    participants: tuple[str, ...] = ("1",)
    source: str = ""
    """Where it comes from, for messages: a file's name."""
    positions: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        where = self.source or "the distances"
        check_words(self.words, where)
        object.__setattr__(self, "positions", {word: row for row, word in enumerate(self.words)})
        shape = (len(self.participants), pairs_of(len(self.words)))
        if self.dissimilarities.shape != shape:
            raise ValueError(f"dissimilarities {self.dissimilarities.shape}, expected (participants, pairs) {shape}")
        if not np.isfinite(self.dissimilarities).all():
            person, pair = np.argwhere(~np.isfinite(self.dissimilarities))[0]
            one, other = (self.words[i[pair]] for i in np.triu_indices(len(self.words), 1))
            whose = f" of participant {self.participants[person]}" if self.n_rdm > 1 else ""
            raise UserError(f"{where}: no number for the pair '{one}', '{other}'{whose}; leave such words out")

    @property
    def n_rdm(self) -> int:
        """Participants; 1 for a single matrix."""
        return len(self.participants)

    @property
    def n_cond(self) -> int:
        """Words."""
        return len(self.words)

    @property
    def n_pairs(self) -> int:
        """Pairs of words."""
        return self.dissimilarities.shape[1]

    @cached_property
    def group(self) -> np.ndarray:
        """(pairs,) the plain mean over participants: the paper's group RDM."""
        return self.dissimilarities[0] if self.n_rdm == 1 else self.dissimilarities.mean(axis=0)

    def get_matrices(self) -> np.ndarray:
        """(participants, words, words), symmetric, 0 on the diagonal."""
        return np.stack([square(vector, self.n_cond) for vector in self.dissimilarities])

    def mean(self) -> Rdms:
        """The group RDM: the plain mean over participants."""
        return Rdms(self.words, self.group[None], ("mean",) if self.n_rdm > 1 else self.participants, self.source)

    def take(self, words: Sequence[str]) -> Rdms:
        """These words only, in this order; UserError that names the ones it does not have."""
        lacking = [word for word in words if word not in self.positions]
        if lacking:
            raise UserError(f"{self.source or 'the distances'}: has no {some(lacking)}")
        rows = np.array([self.positions[word] for word in words], dtype=np.int64)
        if np.array_equal(rows, np.arange(self.n_cond)):
            return self
        picked = np.empty((self.n_rdm, pairs_of(len(rows))))
        upper = np.triu_indices(len(rows), 1)
        for kept, vector in zip(picked, self.dissimilarities, strict=True):
            kept[:] = square(vector, self.n_cond)[rows[upper[0]], rows[upper[1]]]
        return Rdms(tuple(words), picked, self.participants, self.source)

    def distances(self, metric: str = "cosine") -> Self:
        """Itself: what has distances already."""
        return self

    def toolbox(self) -> Any:
        """The same as `rsatoolbox.rdm.RDMs`, with descriptors `word` and `participant`."""
        from rsatoolbox.rdm import RDMs

        return RDMs(
            self.dissimilarities,
            pattern_descriptors={"word": list(self.words)},
            rdm_descriptors={"participant": list(self.participants)},
        )


def from_vectors(words: Sequence[str], vectors: np.ndarray, metric: str = "cosine", source: str = "") -> Rdms:
    """Distances between the rows of vectors (words, width): `cosine`, or `correlation` (cosine of centred rows).

    UserError that names the words whose vector is all zeros, or a repeated number, or not finite.
    """
    where = source or "vectors"
    if metric not in METRICS:
        raise UserError(f"unknown metric '{metric}'; known: {', '.join(METRICS)}")
    rows = np.asarray(vectors, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] == 0 or len(rows) != len(words):
        raise UserError(f"{where}: vectors of shape {rows.shape} for {len(words)} words, expected (words, width)")
    check_words(words, where)
    _refuse(~np.isfinite(rows).all(axis=1), words, f"{where}: vectors with NaN or infinity")
    if metric == "correlation":
        rows = rows - rows.mean(axis=1, keepdims=True)
    elif rows.shape[1] >= WIDE:
        constant = (rows == rows[:, :1]).all(axis=1) & (rows[:, 0] != 0)
        _refuse(constant, words, f"{where}: constant vectors, the same number in every column")
    rows = np.ldexp(rows, -np.frexp(np.abs(rows).max(axis=1, keepdims=True))[1])  # by a power of two: exact
    products = rows @ rows.T
    lengths = np.sqrt(np.diagonal(products))
    _refuse(lengths == 0, words, f"{where}: constant vectors ({metric} is undefined)")
    products /= lengths[:, None] * lengths[None]
    upper = np.clip(products[np.triu_indices(len(rows), 1)], -1, 1)
    return Rdms(tuple(words), (1 - upper)[None], source=source)


def from_matrix(
    words: Sequence[str],
    matrix: np.ndarray,
    participants: Sequence[str] = (),
    similarity: bool = False,
    source: str = "",
) -> Rdms:
    """Distances as given: (words, words), (pairs,), or with participants in front of either; the diagonal is not used.

    With `similarity`, 1 - matrix.  UserError for another shape, for triangles that differ, and for a diagonal that
    says that distances are similarities or the other way round.
    """
    where, n = source or "the matrix", len(words)
    given = np.asarray(matrix, dtype=np.float64)
    check_words(words, where)
    if 0 in given.shape[:-1]:
        raise UserError(f"{where}: shape {given.shape}: there is no participant")
    if given.shape[-2:] == (n, n) and given.ndim in (2, 3):
        stack = given.reshape(-1, n, n)
        _check_square(stack, words, similarity, where)
        vectors = np.stack([each[np.triu_indices(n, 1)] for each in stack])
    elif given.ndim in (1, 2) and given.shape[-1] == pairs_of(n):
        vectors = given.reshape(-1, pairs_of(n))
    else:
        raise UserError(
            f"{where}: shape {given.shape} for {n} words, expected square ({n}, {n}) or condensed ({pairs_of(n)},), "
            "or a stack of participants of either"
        )
    return Rdms(
        tuple(words), 1 - vectors if similarity else vectors, _people(participants, len(vectors), where), source
    )


def from_categories(words: Sequence[str], categories: Sequence[str], source: str = "") -> Rdms:
    """0 for two words of one category, 1 for two of different ones; UserError when all are of one."""
    if len(set(categories)) < 2:
        raise UserError(f"{source or 'categories'}: all words are of one category, so that no distances differ")
    number = np.unique(np.asarray(categories), return_inverse=True)[1]
    i, j = np.triu_indices(len(words), 1)
    return Rdms(tuple(words), (number[i] != number[j]).astype(np.float64)[None], source=source)


def check_words(words: Sequence[str], where: str) -> None:
    """UserError that names what is in the list twice, or has no name."""
    if any(not word.strip() for word in words):
        raise UserError(f"{where}: word {[not word.strip() for word in words].index(True) + 1} is empty")
    if len(set(words)) != len(words):
        seen: set[str] = set()
        twice = [word for word in words if word in seen or seen.add(word)]  # type: ignore[func-returns-value]
        raise UserError(f"{where}: duplicate words: {some(twice)}; a word may stand once")


def pairs_of(n: int) -> int:
    """How many pairs n words have."""
    return n * (n - 1) // 2


def square(vector: np.ndarray, n: int) -> np.ndarray:
    """(n, n) symmetric matrix of an upper triangle (pairs,), 0 on the diagonal, of the same type."""
    matrix = np.zeros((n, n), dtype=vector.dtype)
    upper = np.triu_indices(n, 1)
    matrix[upper] = vector
    matrix.T[upper] = vector
    return matrix


def some(words: Sequence[str], most: int = 8) -> str:
    """The first few, quoted, and how many more."""
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(f"'{word}'" for word in words[:most]) + more


def _people(names: Sequence[str], n: int, where: str) -> tuple[str, ...]:
    """Names that differ: numbers without any, and who stands twice (two sessions of one) has a number behind it."""
    if not names:
        return tuple(str(i) for i in range(1, n + 1))
    if len(names) != n:
        raise UserError(f"{where}: {len(names)} names of participants for {n} matrices")
    times = [list(names[:place]).count(name) for place, name in enumerate(names)]
    return tuple(f"{name} ({time + 1})" if time else name for name, time in zip(names, times, strict=True))


def _check_square(stack: np.ndarray, words: Sequence[str], similarity: bool, where: str) -> None:
    diagonals = np.diagonal(stack, axis1=1, axis2=2)
    off = np.where(np.eye(len(words), dtype=bool), 0, stack)
    allowed = ASYMMETRY * np.nanmax(np.abs(off), initial=0)
    differ = np.abs(off - off.transpose(0, 2, 1)) > allowed
    if differ.any():
        i, j = np.argwhere(differ)[0][1:].tolist()
        raise UserError(f"{where}: not symmetric, for example at '{words[i]}', '{words[j]}'")
    if not similarity and (np.abs(diagonals) > max(allowed, 1e-6)).any():
        raise UserError(f"{where}: distances whose diagonal is not 0; for similarities name the array `similarity`")
    if similarity and len(words) > 1 and (diagonals == 0).all():
        raise UserError(f"{where}: similarities whose diagonal is 0; are they distances? (npz: `words`, `rdm`)")


def _refuse(bad: Any, words: Sequence[str], what: str) -> None:
    if bad.any():
        raise UserError(f"{what}: {some([words[row] for row in np.flatnonzero(bad).tolist()])}")
