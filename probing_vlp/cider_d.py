"""CIDEr-D (Vedantam et al. 2015, section 4 and appendix) of a batch of captions, vectorised; numpy only, no Java.

    g_n(c) = n-gram counts of c times log(images / max(1, images that have the n-gram)),  n = 1..4
    CIDEr-D = 10 * mean over n and over the references r of
              exp(-(l_c - l_r)^2 / (2 * 6^2)) * min(g_n(c), g_n(r)) . g_n(r) / (|g_n(c)| |g_n(r)|)

Range [0, 10].  As published, the lengths l are counted in bigrams, and a norm of zero gives similarity zero.
The end of a sentence is an ordinary word where the caller includes it; it should be in both or in neither.

How it is fast: an n-gram is one integer, (id of its first n - 1 words, last word), so the references are flat sorted
arrays that are prepared once, and a batch is a sort, a binary search and a weighted count for each n.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, repeat
from typing import NamedTuple

import numpy as np

from probing_vlp.errors import UserError

ORDERS, SIGMA = 4, 6.0
LOW = 32  # bits for a word or an id in the lower half of a packed integer

Intern = Callable[[int, np.ndarray, np.ndarray], np.ndarray]


class CiderD:
    """CIDEr-D against `references`: image id -> captions of token ids, which are integers in [0, 2^31).

    Document frequencies count the images of `corpus`, which is the references themselves unless given.
    """

    def __init__(
        self,
        references: Mapping[int, Sequence[Sequence[int]]],
        corpus: Mapping[int, Sequence[Sequence[int]]] | None = None,
    ) -> None:
        for image_id, captions in references.items():
            if len(captions) == 0:
                raise UserError(f"image {image_id} has no reference captions; CIDEr-D needs one at least")
        if not references or (corpus is not None and not corpus):
            raise UserError("CIDEr-D needs reference captions and there are none; is the split empty?")
        self._row = {image_id: row for row, image_id in enumerate(references)}
        groups = [*references.values(), *(corpus.values() if corpus is not None else ())]
        sizes = np.fromiter(map(len, groups), np.int64, len(groups))
        words, lengths = _flatten(chain.from_iterable(groups), int(sizes.sum()))
        starts = np.cumsum(sizes) - sizes
        within = np.arange(len(lengths)) - np.repeat(starts, sizes)
        self._sizes = sizes[: len(references)]  # references of an image
        self._bigrams = np.maximum(lengths[: self._sizes.sum()] - 1, 0)
        layout = _Layout(
            np.repeat(np.arange(len(groups)), sizes),
            within,
            starts[: len(references)],
            int(self._sizes.sum()),
            len(groups),
            0 if corpus is None else len(references),
        )
        self._orders: list[_Order] = []

        def build(order: int, caption: np.ndarray, keys: np.ndarray) -> np.ndarray:
            table, ids = np.unique(keys, return_inverse=True)
            self._orders.append(_Order(table, caption, ids, layout))
            return ids

        for _ in _ngrams(words, lengths, build):
            pass

    def score(
        self, image_ids: Sequence[int] | np.ndarray, candidates: Sequence[Sequence[int]] | np.ndarray
    ) -> np.ndarray:
        """(B,) float64: candidate i against the references of image_ids[i].

        A (B, T) integer array counts each row up to and including its first 0, the end of the sentence.
        """
        words, lengths = (
            _rows_to_zero(candidates) if isinstance(candidates, np.ndarray) else _flatten(candidates, len(candidates))
        )
        if len(image_ids) != len(lengths):
            raise ValueError(f"{len(image_ids)} images for {len(lengths)} candidates")
        image = self._image_rows(image_ids)
        bigrams = np.maximum(lengths - 1, 0)
        longest = max(bigrams.max(initial=0), self._bigrams.max(initial=0))
        penalty = np.exp(-(np.arange(longest + 1) ** 2) / (2 * SIGMA**2))
        total = np.zeros(len(lengths))
        for order, caption, ids in _ngrams(words, lengths, lambda order, _, keys: self._orders[order].ids(keys)):
            rows, references, terms = self._orders[order].shared_terms(caption, ids, image)
            gap = np.abs(bigrams[rows] - self._bigrams[references])
            total += np.bincount(rows, terms * penalty[gap], minlength=len(lengths))
        return total * 10 / (ORDERS * self._sizes[image])

    def _image_rows(self, image_ids: Sequence[int] | np.ndarray) -> np.ndarray:
        ids = image_ids.tolist() if isinstance(image_ids, np.ndarray) else image_ids
        try:
            return np.fromiter(map(self._row.__getitem__, ids), np.int64, len(ids))
        except KeyError as error:
            raise UserError(f"image {error.args[0]} has no reference captions to compute CIDEr-D against") from None


class WordCiderD:
    """CIDEr-D over captions given as words; `end` adds the end of the sentence to candidates and references."""

    def __init__(
        self,
        references: Mapping[int, Sequence[Sequence[str]]],
        corpus: Mapping[int, Sequence[Sequence[str]]] | None = None,
        end: bool = True,
    ) -> None:
        parts = [part for part in (references, corpus) if part is not None]
        words = dict.fromkeys(
            word for part in parts for captions in part.values() for caption in captions for word in caption
        )
        self._ids = {word: i for i, word in enumerate(words, 1)}
        self._end = [0] if end else []
        self._ciderd = CiderD(
            *({i: self._encode(captions, self._ids) for i, captions in part.items()} for part in parts)
        )

    def score(
        self,
        image_ids: Sequence[int] | np.ndarray,
        candidates: Sequence[Sequence[str]],
        ended: Sequence[bool] | None = None,
    ) -> np.ndarray:
        """(B,) float64; a word that no reference has counts as a word like any other, of document frequency one.

        `ended[i]` is False for a candidate that was cut off, which then gets no end; all of them ended unless given.
        """
        new = dict.fromkeys(word for caption in candidates for word in caption if word not in self._ids)
        # ids for this batch alone, so that the table does not grow for as long as training runs
        ids = {**self._ids, **{word: i for i, word in enumerate(new, len(self._ids) + 1)}} if new else self._ids
        return self._ciderd.score(image_ids, self._encode(candidates, ids, ended))

    def _encode(
        self, captions: Sequence[Sequence[str]], ids: Mapping[str, int], ended: Iterable[bool] | None = None
    ) -> list[list[int]]:
        ends = repeat(self._end, len(captions)) if ended is None else (self._end if done else [] for done in ended)
        return [[*map(ids.__getitem__, caption), *end] for caption, end in zip(captions, ends, strict=True)]


class _Layout(NamedTuple):
    """How captions (C,) belong to images (I,): the images with references first, then those of the corpus."""

    image: np.ndarray
    """(C,) the image of a caption."""
    within: np.ndarray
    """(C,) the caption's number within its image."""
    first: np.ndarray
    """(images with references,) the first reference of an image."""
    references: int
    images: int
    first_of_corpus: int


class _Order:
    """The n-grams of one n: their table, their inverse document frequencies, and which references hold them."""

    def __init__(self, table: np.ndarray, caption: np.ndarray, ids: np.ndarray, layout: _Layout) -> None:
        self._size, self._first = len(table), layout.first
        self._keys = np.append(table, np.iinfo(np.int64).max)  # sorted; the sentinel stands for "not there"
        self._id_bits = self._size.bit_length()
        self._ref_bits = int(layout.within.max(initial=0)).bit_length()
        # one sorted integer an entry: image, n-gram, reference within the image
        packed = (layout.image[caption] << self._id_bits | ids) << self._ref_bits | layout.within[caption]
        entries, counts = np.unique(packed, return_counts=True)
        self._idf = self._inverse_frequency(entries >> self._ref_bits, layout)
        held = np.searchsorted(entries, len(layout.first) << self._id_bits + self._ref_bits)
        self._entries, self._counts = entries[:held].copy(), counts[:held].astype(np.int32)
        weights = self._counts * self._idf[self._entries >> self._ref_bits & self._id_mask]
        self._scale = _inverse_norms(self._reference(self._entries), weights, layout.references)

    @property
    def _id_mask(self) -> int:
        return (1 << self._id_bits) - 1

    def _inverse_frequency(self, pairs: np.ndarray, layout: _Layout) -> np.ndarray:
        """(n-grams + 1,): log images - log max(1, df); the last one is for any n-gram that is not in the table."""
        new = np.diff(pairs, prepend=-1) != 0
        new &= pairs >> self._id_bits >= layout.first_of_corpus
        frequency = np.bincount(pairs[new] & self._id_mask, minlength=self._size + 1)
        return np.log(layout.images - layout.first_of_corpus) - np.log(np.maximum(frequency, 1))

    def _reference(self, entries: np.ndarray) -> np.ndarray:
        return self._first[entries >> self._id_bits + self._ref_bits] + (entries & (1 << self._ref_bits) - 1)

    def ids(self, keys: np.ndarray) -> np.ndarray:
        """Ids of n-grams; the ones that are not in the table get ids above it, equal for equal n-grams."""
        values, inverse = np.unique(keys, return_inverse=True)
        at = np.searchsorted(self._keys, values)
        ids = np.where(self._keys[at] == values, at, self._size + np.arange(len(values)))
        return ids[inverse]

    def shared_terms(
        self, caption: np.ndarray, ids: np.ndarray, image: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """For each n-gram that a candidate shares with a reference: candidate, reference, term of their cosine."""
        pairs, counts = np.unique(caption << LOW | ids, return_counts=True)
        rows, grams = pairs >> LOW, pairs & (1 << LOW) - 1
        weights = counts * self._idf[np.minimum(grams, self._size)]
        scale = _inverse_norms(rows, weights, len(image))
        known = np.flatnonzero(grams < self._size)
        wanted = image[rows[known]] << self._id_bits | grams[known]
        low = np.searchsorted(self._entries, wanted << self._ref_bits)
        found = np.searchsorted(self._entries, wanted + 1 << self._ref_bits) - low  # references that share it
        at = known.repeat(found)
        entry = np.arange(len(at)) + (low - np.cumsum(found) + found).repeat(found)
        reference = self._reference(self._entries[entry])
        theirs = self._counts[entry] * self._idf[grams[at]]
        terms = np.minimum(weights[at], theirs) * theirs * scale[rows[at]] * self._scale[reference]
        return rows[at], reference, terms


def _ngrams(words: np.ndarray, lengths: np.ndarray, intern: Intern) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """For n = 1..4: n - 1, the caption of each n-gram and its id, which is what `intern(n - 1, caption, key)` makes."""
    caption = np.repeat(np.arange(len(lengths)), lengths)
    room = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(words))  # words from here to the caption's end
    at, keys = np.arange(len(words)), words
    for order in range(ORDERS):
        ids = intern(order, caption[at], keys)
        yield order, caption[at], ids
        fits = room[at] > order + 1
        at = at[fits]
        keys = ids[fits] << LOW | words[at + order + 1]


def _inverse_norms(owner: np.ndarray, weights: np.ndarray, count: int) -> np.ndarray:
    """(count,): one over the Euclidean norm of each owner's weights, zero where the norm is zero."""
    norms = np.sqrt(np.bincount(owner, weights**2, minlength=count))
    return np.divide(1, norms, out=np.zeros(count), where=norms > 0)


def _flatten(captions: Iterable[Sequence[int]], count: int) -> tuple[np.ndarray, np.ndarray]:
    """Captions end to end, and their lengths (count,)."""
    kept = list(captions)
    lengths = np.fromiter(map(len, kept), np.int64, count)
    return np.fromiter(chain.from_iterable(kept), np.int64, int(lengths.sum())), lengths


def _rows_to_zero(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows (B, T), each up to and including its first zero, end to end; and their lengths (B,)."""
    ended = np.cumsum(rows == 0, axis=1)
    keep = (ended == 0) | ((ended == 1) & (rows == 0))
    return rows[keep].astype(np.int64), keep.sum(axis=1)
