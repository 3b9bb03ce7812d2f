"""The ten most frequent words of a dump: what its captions are mostly made of (appendix A of Ma et al. 2023).

Two rows a word, ranked by count, then alphabetically: "unigram_count:RANK:WORD" and "unigram_share:RANK:WORD", its
share of all words, with an interval over captions.  Function words count as any other.

What is counted over a whole dump, with u the uses of a word in a caption and w the caption's words: for each word the
sums of u, u u and u w over captions, and how many captions have w words.  The interval of a share follows from them
(`sums`), so these counters, no larger than the vocabulary, are all that a survey of a million captions keeps.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from analysis.context import Context
from analysis.ratios import Ratio
from analysis.reading import Reading, readings
from analysis.sums import Counters, Moments
from probing_vlp.dump import CaptionDump
from probing_vlp.pages.results import Row, row
from probing_vlp.stats import Estimate, bootstrap_ratios

TOP = 10
Shares = Callable[[Sequence[str]], Sequence[Estimate]]
"""The shares of keys among all that was counted, estimated."""


def ratios() -> dict[str, Ratio]:
    """None: every number here comes from counters."""
    return {}


def counters(captions: Sequence[Reading], context: Context) -> Mapping[str, Counter[str]]:
    """The sums above: uses, squares, products, lengths."""
    return counted(Counter(each.words) for each in captions)


def counted_rows(found: Mapping[str, Counter[str]], model: str, context: Context) -> list[Row]:
    """Count and share of each of the TOP words, from counters alone."""
    return _rows(found["uses"], counted_shares(found), model)


def measure(dump: CaptionDump, context: Context) -> list[Row]:
    """Count and share of each of the TOP words; n is the number of captions."""
    counts = [Counter(each.words) for each in readings(dump, context)]
    return _rows(counted(counts)["uses"], bootstrapped(counts, context), dump.name)


def counted(captions: Iterable[Mapping[str, int]]) -> Counters:
    """Counters of captions, each given as the uses of its keys."""
    every = list(captions)
    lengths = [sum(caption.values()) for caption in every]
    number = {key: i for i, key in enumerate(dict.fromkeys(key for caption in every for key in caption))}
    keys = np.array([number[key] for caption in every for key in caption], int)
    times = np.array([count for caption in every for count in caption.values()], int)
    within = np.repeat(lengths, [len(caption) for caption in every]) if every else times

    def summed(values: np.ndarray) -> Counter[str]:
        sums = np.bincount(keys, values, len(number)).astype(int)  # exact: integers below 2 ** 53
        return Counter(dict(zip(number, sums.tolist(), strict=True)))

    found = {"uses": summed(times), "squares": summed(times * times), "products": summed(times * within)}
    return {**found, "lengths": Counter(map(str, lengths))}


def counted_shares(found: Mapping[str, Counter[str]]) -> Shares:
    """Shares of all uses with the delta method's intervals over captions."""
    lengths = [(int(length), times) for length, times in found["lengths"].items()]
    n = found["lengths"].total()
    total, squared = (sum(length**power * times for length, times in lengths) for power in (1, 2))

    def shares(keys: Sequence[str]) -> list[Estimate]:
        sums = ([found[name][key] for name in ("uses", "squares", "products")] for key in keys)
        return [Moments(n, uses, total, squares, products, squared).estimate() for uses, squares, products in sums]

    return shares


def bootstrapped(captions: Sequence[Mapping[str, int]], context: Context) -> Shares:
    """Shares with bootstrap intervals over captions, drawn once for all keys."""

    def shares(keys: Sequence[str]) -> list[Estimate]:
        uses = np.array([[caption.get(key, 0) for key in keys] for caption in captions], float)
        lengths = np.array([[sum(caption.values())] for caption in captions], float)
        lengths = np.broadcast_to(lengths, uses.shape)
        return bootstrap_ratios(uses, lengths, context.generator("captions"), context.draws)

    return shares


def top(uses: Mapping[str, int]) -> list[tuple[str, int]]:
    """The TOP keys with their counts."""
    return sorted(uses.items(), key=lambda item: (-item[1], item[0]))[:TOP]


def _rows(uses: Mapping[str, int], shares: Shares, model: str) -> list[Row]:
    rows, ranked = [], top(uses)
    estimates = shares([word for word, _ in ranked])
    for rank, ((word, total), found) in enumerate(zip(ranked, estimates, strict=True), 1):
        rows += [
            Row(f"unigram_count:{rank}:{word}", model, float(total), None, None, found.n, "words", __name__),
            row(f"unigram_share:{rank}:{word}", model, found, "share of words", __name__),
        ]
    return rows
