"""n-grams of labels, counted by captions: every place may show its class or its word.

A caption is a row of places, each with a class ("NOUN") and perhaps a word of its own ("near").  The n-gram at a place
is written in all mixtures of the two, 2 ** n at most, and a caption counts once for each n-gram that it holds.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

LONGEST = 5
"""n = 1 ... 5, as in Ma et al. 2023 section 4.1."""
Place = tuple[str, str]
"""(class, word or "")."""


class Gram(NamedTuple):
    """An n-gram, and the captions of the two groups that hold it."""

    labels: tuple[str, ...]
    found: int
    """Captions of the first group."""
    usual: int
    """Captions of the second group, what the first is compared with."""


def count_grams(
    captions: Sequence[Sequence[Place]], baseline: Sequence[Sequence[Place]], least: int, at_start: bool = False
) -> list[Gram]:
    """n-grams that at least `least` of `captions` hold, with the number of `baseline` that hold them; of n-grams at the
    first place of a caption alone if `at_start`."""
    both = [*captions, *baseline]
    names = sorted({label for places in both for place in places for label in place if label})
    number = {name: i for i, name in enumerate(names)}
    sizes = np.array([len(places) for places in both], int)
    owner = np.repeat(np.arange(len(both)), sizes)
    labels = np.array([[number[c], number.get(w, -1)] for places in both for c, w in places], int).reshape(-1, 2)
    starts = np.flatnonzero(np.r_[True, owner[1:] != owner[:-1]]) if at_start and len(owner) else np.arange(len(owner))
    counted = _counts(labels, owner, starts, len(names), len(captions), least)
    return [Gram(tuple(names[i] for i in label), found, usual) for label, found, usual in counted]


def _counts(
    labels: np.ndarray, owner: np.ndarray, starts: np.ndarray, base: int, first: int, least: int
) -> Iterator[tuple[list[int], int, int]]:
    for length in range(1, LONGEST + 1):
        inside = starts[starts + length <= len(owner)]
        inside = inside[owner[inside] == owner[inside + length - 1]]
        for shown in product((0, 1), repeat=length):
            columns = [labels[inside + k, word] for k, word in enumerate(shown)]
            whole = np.all([column >= 0 for column in columns], axis=0)
            code = np.zeros(int(whole.sum()), np.int64)
            for column in columns:
                code = code * base + column[whole]
            codes, place = np.unique(code, return_inverse=True)
            pairs = np.unique(owner[inside][whole] * max(len(codes), 1) + place)
            group = pairs // max(len(codes), 1) < first
            held = pairs % max(len(codes), 1)
            found = np.bincount(held[group], minlength=len(codes))
            usual = np.bincount(held[~group], minlength=len(codes))
            for i in np.flatnonzero(found >= max(least, 1)):
                yield _digits(int(codes[i]), base, length), int(found[i]), int(usual[i])


def _digits(code: int, base: int, length: int) -> list[int]:
    digits = []
    for _ in range(length):
        code, digit = divmod(code, base)
        digits.append(digit)
    return digits[::-1]
