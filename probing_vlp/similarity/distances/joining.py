"""The join of rows and matrices by word, never by position, and what is told of the words that are left out."""

from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol, Self, TypeVar
from unicodedata import normalize

from probing_vlp.errors import UserError
from probing_vlp.similarity.distances.rdms import FEWEST, Rdms

JOINTS = str.maketrans("", "", " _-")
"""What may stand between the parts of a word."""


class Named(Protocol):
    """What can be joined: rows or matrices with names."""

    @property
    def words(self) -> tuple[str, ...]:
        """Their names, all different."""

    @property
    def source(self) -> str:
        """Where they come from."""

    def take(self, words: Sequence[str]) -> Self:
        """These only, in this order."""

    def distances(self, metric: str = "cosine") -> Rdms:
        """Their matrix, or their participants' matrices."""


N = TypeVar("N", bound=Named)


class JoinReport(NamedTuple):
    """What became of the words when several sources were joined by name."""

    words: tuple[str, ...]
    """The shared words, in alphabetical order: the order of every joined source, so that a seed draws the same words
    whatever the order of a file."""
    left_out: tuple[tuple[str, ...], ...]
    """For each source, its words that another lacks."""
    orders_differ: bool
    """Whether the sources had the shared words in different orders: a join by position would have been wrong."""
    near_misses: tuple[tuple[str, str], ...]
    """Left out words of two sources that differ in case, spaces, hyphens or underscores only: not joined, but told."""
    missing: tuple[str, ...] = ()
    """Words that were asked for and that not every source has."""


def join(*named: N, within: Collection[str] | None = None) -> tuple[list[N], JoinReport]:
    """The same words in the same order from every source, of those `within`; UserError for fewer than four."""
    wanted = None if within is None else set(within)
    offered = [[word for word in each.words if wanted is None or word in wanted] for each in named]
    shared = set(offered[0]).intersection(*offered[1:])
    words = tuple(sorted(shared))
    left_out = tuple(tuple(word for word in each if word not in shared) for each in offered)
    near = _near_misses(left_out)
    if len(words) < FEWEST:
        told = f"; near misses, which are not joined: {_pairs(near)}" if near else ""
        names = ", ".join(each.source or f"source {i}" for i, each in enumerate(named, 1))
        raise UserError(f"{names}: {len(words)} shared words, {FEWEST} or more are needed{told}")
    orders = {tuple(word for word in each if word in shared) for each in offered}
    missing = tuple(sorted((wanted or set()) - shared))
    return [each.take(words) for each in named], JoinReport(words, left_out, len(orders) > 1, near, missing)


def _near_misses(left_out: Sequence[Sequence[str]]) -> tuple[tuple[str, str], ...]:
    """Pairs of left out words of different sources that are one when case and joints are ignored."""
    folded: dict[str, dict[str, int]] = {}
    for side, words in enumerate(left_out):
        for word in words:
            folded.setdefault(normalize("NFKC", word).casefold().translate(JOINTS), {})[word] = side
    found = [sorted(spelt)[:2] for spelt in folded.values() if len(set(spelt.values())) > 1]
    return tuple((one, other) for one, other in sorted(found))


def _pairs(near: Sequence[tuple[str, str]], most: int = 5) -> str:
    return ", ".join(f"'{one}' / '{other}'" for one, other in near[:most])
