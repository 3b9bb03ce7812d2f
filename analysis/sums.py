"""Sums from which the numbers of a dump can be had again, and that merge exactly.

For a ratio sum(x) / sum(y) over captions, `Moments` keeps n and the sums of x, y, x x, x y and y y.  They are Python
integers: x and y in units of 2 ** -40 (1e-12), products in units of 2 ** -80.  Integers add up to the same number in
any order, so shards of a dump, however cut and merged, give the same sums bit for bit; floating point would not.
Counts lose nothing by it, and what is no multiple of that unit 1e-12 at most a caption.

The interval is the delta method's: with r = sum(x) / sum(y),

    variance of r = n / (n - 1) * sum((x - r y) ** 2) / sum(y) ** 2,    sum((x - r y) ** 2) = xx - 2 r xy + r r yy

and r +- 1.96 standard deviations, in exact integers up to the last root.  It needs six integers a ratio and no random
numbers.  A Poisson bootstrap over captions would merge too, but keeps a thousand sums a ratio and draws a thousand
weights a caption, and at the thousands of captions that a survey is for the two agree (a test compares them at 2,000).
Below some hundred captions, or for a share near 0, `ratios` has the bootstrap.

A caption whose x or y is NaN or infinite is left out of that ratio and of its n.

A `Tally` is what is known of some captions: their number, moments by analysis and ratio, and counters (of words, of
captions) by analysis and name.  Tallies add up.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from fractions import Fraction
from statistics import NormalDist
from typing import Any

import numpy as np

from probing_vlp.stats import Estimate

UNIT = 2.0**40
Counters = dict[str, Counter[str]]


@dataclass(frozen=True)
class Moments:
    """Six sums over captions; `x` and `y` in one unit, products in its square."""

    n: int = 0
    x: int = 0
    y: int = 0
    xx: int = 0
    xy: int = 0
    yy: int = 0

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(*map(sum, zip(astuple(self), astuple(other), strict=True)))

    def totals(self) -> tuple[float, float]:
        """sum(x) and sum(y) in the columns' own unit."""
        return self.x / int(UNIT), self.y / int(UNIT)

    def estimate(self, level: float = 0.95) -> Estimate:
        """sum(x) / sum(y) with its interval; NaN where the denominators sum to 0, no interval for one caption."""
        if self.n == 0 or self.y == 0:
            return Estimate(math.nan, math.nan, math.nan, self.n)
        value = float(Fraction(self.x, self.y))
        if self.n == 1:
            return Estimate(value, math.nan, math.nan, 1)
        # sum((x - r y) ** 2) * y * y
        spread = self.xx * self.y**2 - 2 * self.x * self.y * self.xy + self.x**2 * self.yy
        variance = Fraction(self.n * spread, (self.n - 1) * self.y**4)
        reach = NormalDist().inv_cdf((1 + level) / 2) * math.sqrt(variance)
        return Estimate(value, value - reach, value + reach, self.n)


def moments(top: np.ndarray, bottom: np.ndarray) -> Moments:
    """The moments of two columns (n,)."""
    with np.errstate(over="ignore"):
        scaled = top * UNIT, bottom * UNIT
    keep = np.isfinite(scaled[0]) & np.isfinite(scaled[1])
    # object arrays hold Python integers: products of more than 63 bits
    x, y = (np.array([int(v) for v in np.rint(column[keep])], object) for column in scaled)
    return Moments(int(keep.sum()), *(int(total) for total in (x.sum(), y.sum(), x @ x, x @ y, y @ y)))


@dataclass
class Tally:
    """What is known of `captions` captions."""

    captions: int = 0
    moments: dict[str, dict[str, Moments]] = field(default_factory=dict)
    """By analysis and ratio."""
    counters: dict[str, Counters] = field(default_factory=dict)
    """By analysis and counter."""

    def add(self, other: "Tally") -> None:
        """Take in the captions of another tally."""
        self.captions += other.captions
        for analysis, found in other.moments.items():
            mine = self.moments.setdefault(analysis, {})
            for name, more in found.items():
                mine[name] = mine.get(name, Moments()) + more
        for analysis, counted in other.counters.items():
            own = self.counters.setdefault(analysis, {})
            for name, counter in counted.items():
                own.setdefault(name, Counter()).update(counter)

    def to_json(self) -> dict[str, Any]:
        """As JSON can hold it."""
        found = {name: {key: astuple(m) for key, m in each.items()} for name, each in self.moments.items()}
        return {"captions": self.captions, "moments": found, "counters": self.counters}


def tally_from(data: Mapping[str, Any]) -> Tally:
    """What `to_json` made.  Raises KeyError, TypeError, ValueError or AttributeError for anything else."""
    found = {
        name: {key: Moments(*map(_whole, six)) for key, six in each.items()} for name, each in data["moments"].items()
    }
    counters = {
        name: {key: Counter({word: _whole(count) for word, count in counter.items()}) for key, counter in each.items()}
        for name, each in data["counters"].items()
    }
    return Tally(_whole(data["captions"]), found, counters)


def merged(tallies: Sequence[Tally]) -> Tally:
    """All their captions in one."""
    whole = Tally()
    for tally in tallies:
        whole.add(tally)
    return whole


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise ValueError(f"{value!r} is no whole number")
    return value
