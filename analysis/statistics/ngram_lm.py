"""Trigram language model: modified Kneser-Ney estimation and the ARPA file that KenLM queries.

The estimate is that of lmplz (Heafield, Pouzyrevsky, Clark & Koehn 2013; Chen & Goodman 1998), order 3, no pruning:

- a sentence is <s> w1 ... wm </s>;
- the adjusted count a(g) of an n-gram is its count where n = 3 or g begins with <s>, else the number of different
  words seen before it; a(<s>) = a(<unk>) = 0;
- with n_k the number of n-grams of an order whose adjusted count is k, and Y = n_1 / (n_1 + 2 n_2), the discounts of
  the order are D_k = k - (k + 1) Y n_{k+1} / n_k for k = 1, 2, 3; D_3 holds from 3 up, D_0 = 0;
- p(w | h) = (a(hw) - D(a(hw))) / a(h.) + b(h) p(w | h less its first word), with a(h.) = sum_x a(hx) and
  b(h) = sum_x D(a(hx)) / a(h.); below the unigrams lies the uniform 1 / |V|, V holding </s> and <unk> but not <s>.

The ARPA file holds these interpolated p, and b as backoff weights.  On a corpus too small for the discounts of an order
(an n_k of zero, or a D_k outside 0..k) that order takes D = 0.5, 1, 1.5, as lmplz does with --discount_fallback.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from probing_vlp.errors import UserError

UNK, BOS, EOS = 0, 1, 2
SPECIAL = ("<unk>", "<s>", "</s>")
FALLBACK = (0.5, 1.0, 1.5)
_BITS = 21  # three word ids fill one int64 key
_MASK = (1 << 2 * _BITS) - 1


class Order(NamedTuple):
    """N-grams of one order: `words` (m, n) ids, `prob` and `backoff` (m,) linear; backoff 1 without continuation."""

    words: np.ndarray
    prob: np.ndarray
    backoff: np.ndarray


class NgramModel(NamedTuple):
    """`vocabulary` by word id; `orders` 1, 2, 3; D_1, D_2, D_3 of each; the orders that took the fallback."""

    vocabulary: tuple[str, ...]
    orders: tuple[Order, ...]
    discounts: tuple[tuple[float, ...], ...]
    fallback: tuple[int, ...]


def estimate(sentences: Sequence[Sequence[str]]) -> NgramModel:
    """The trigram model of tokenised sentences.  Raises UserError without any, or if they hold <s>, </s> or <unk>."""
    vocabulary, stream = _encode(sentences)
    keys, counts = _adjusted_counts(stream, len(vocabulary))
    computed = [_discounts(a) for a in counts]
    discounts = tuple(found or FALLBACK for found in computed)
    orders: list[Order] = []
    lower = np.array([1 / (len(vocabulary) - 1)])  # order 0: the uniform distribution
    for n in range(3):
        context, suffix = _parents(keys, n)
        mass = np.array([0.0, *discounts[n]])[np.minimum(counts[n], 3)]
        total = np.bincount(context, counts[n], len(lower))
        followed = total > 0
        backoff = np.divide(np.bincount(context, mass, len(lower)), total, out=np.ones(len(lower)), where=followed)
        prob = (counts[n] - mass) / total[context] + backoff[context] * lower[suffix]
        if n:
            orders[-1] = orders[-1]._replace(backoff=backoff)
        else:
            prob[BOS] = 1.0  # never predicted; ARPA files carry it with log-probability 0
        orders.append(Order(_unpack(keys[n], n + 1), prob, np.ones(len(prob))))
        lower = prob
    return NgramModel(vocabulary, tuple(orders), discounts, tuple(n for n, d in enumerate(computed, 1) if not d))


def arpa_lines(model: NgramModel) -> Iterator[str]:
    """The ARPA file, block by block; base-10 logarithms with seven digits (KenLM keeps single precision)."""
    sizes = "\n".join(f"ngram {n}={len(order.prob)}" for n, order in enumerate(model.orders, 1))
    yield f"\\data\\\n{sizes}\n"
    for n, order in enumerate(model.orders, 1):
        names = [list(map(model.vocabulary.__getitem__, column)) for column in order.words.T.tolist()]
        logs = np.log10(order.prob).tolist()
        yield f"\n\\{n}-grams:\n"
        if n < len(model.orders):
            rows = zip(logs, map(" ".join, zip(*names, strict=True)), np.log10(order.backoff).tolist(), strict=True)
            yield "".join(map("%.7g\t%s\t%.7g\n".__mod__, rows))
        else:
            yield "".join(map("%.7g\t%s\n".__mod__, zip(logs, map(" ".join, zip(*names, strict=True)), strict=True)))
    yield "\n\\end\\\n"


def _encode(sentences: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], np.ndarray]:
    """Words by id, in order of first appearance, and one stream of ids: <s> w1 ... wm </s> <s> ..."""
    flat = [word for sentence in sentences for word in sentence]
    vocabulary = tuple(dict.fromkeys((*SPECIAL, *flat)))
    if not sentences:
        raise UserError("the language model's corpus holds no captions")
    if not set(SPECIAL).isdisjoint(flat):
        raise UserError(f"the language model's corpus holds one of {', '.join(SPECIAL)} as a word; take it out")
    if len(vocabulary) >= 1 << _BITS:
        raise UserError(f"the language model's corpus has {len(vocabulary)} different words; {1 << _BITS} are too many")
    index = {word: i for i, word in enumerate(vocabulary)}
    lengths = np.fromiter(map(len, sentences), np.int64, len(sentences))
    stream = np.full(len(flat) + 2 * len(sentences), EOS, np.int64)
    stream[np.cumsum(lengths + 2) - lengths - 2] = BOS
    places = np.arange(len(flat)) + 2 * np.repeat(np.arange(len(sentences)), lengths) + 1
    stream[places] = np.fromiter(map(index.__getitem__, flat), np.int64, len(flat))
    return vocabulary, stream


def _adjusted_counts(stream: np.ndarray, size: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Sorted keys and adjusted counts of the orders 1, 2, 3.  A key packs the word ids, last word in the low bits."""
    pairs = stream[:-1] << _BITS | stream[1:]
    inside = stream[1:] != BOS
    triples = (pairs[:-1] << _BITS | stream[2:])[inside[:-1] & inside[1:]]
    tri, tri_counts = np.unique(triples, return_counts=True)
    bi, bi_counts = np.unique(pairs[inside], return_counts=True)
    preceded = np.bincount(np.searchsorted(bi, tri & _MASK), minlength=len(bi))
    bi_counts = np.where(bi >> _BITS == BOS, bi_counts, preceded)
    uni_counts = np.bincount(bi & ((1 << _BITS) - 1), minlength=size)
    return [np.arange(size), bi, tri], [uni_counts, bi_counts, tri_counts]


def _parents(keys: Sequence[np.ndarray], n: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows in keys[n - 1] of the context (all but the last word) and suffix (but the first) of each n-gram."""
    if n == 0:
        return np.zeros_like(keys[0]), np.zeros_like(keys[0])
    suffixes = keys[n] & ((1 << n * _BITS) - 1)
    return np.searchsorted(keys[n - 1], keys[n] >> _BITS), np.searchsorted(keys[n - 1], suffixes)


def _discounts(counts: np.ndarray) -> tuple[float, ...]:
    """D_1, D_2, D_3 of an order, empty where its counts do not define them."""
    n = np.bincount(np.minimum(counts, 5), minlength=6).astype(float)
    if not n[1:4].all():
        return ()
    y = n[1] / (n[1] + 2 * n[2])
    found = tuple(float(k - (k + 1) * y * n[k + 1] / n[k]) for k in (1, 2, 3))
    return found if all(0 <= d <= k for k, d in enumerate(found, 1)) else ()


def _unpack(keys: np.ndarray, n: int) -> np.ndarray:
    """(m, n) word ids of keys."""
    return np.stack([keys >> i * _BITS & ((1 << _BITS) - 1) for i in reversed(range(n))], axis=1)
