"""Diversity of captions by CIDEr similarity.

The kernel: with x_n(c) the tf-idf vector of the n-grams of caption c scaled to length one (zero if c has no n-gram that
weighs anything), k(c, d) = mean over n = 1..4 of x_n(c) . x_n(d); 0 to 1.  Inverse document frequencies are CIDEr's,
log(images / max(1, images that have the n-gram)), over the human captions of the dump's images.

    self_cider       Wang & Chan (2019), "Describing like humans": for the m > 1 captions of an image, with l the
                     eigenvalues of their m x m kernel matrix and r = sqrt(max l) / sum of sqrt(l): -log(r) / log(m),
                     0 (all captions one direction) to 1 (m unrelated captions of at least four words); mean over images
    pairwise_cider   mean of k over all pairs of captions of different images: how alike the captions of a dump are.
                     What one caption an image allows; high means that images get the same caption.  It is no self-CIDEr

The sum over pairs is taken as the square of a sum of vectors, so it costs what reading the captions costs.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np

from analysis.context import Context
from analysis.reading import Reading
from probing_vlp.data.text import tokenize
from probing_vlp.pages.results import Row, row, unavailable
from probing_vlp.stats import Estimate, bootstrap_mean

SOURCE = __name__
ORDERS, LOW = 4, 32
PAIRS, OWN = "drift:pairwise_cider", "drift:self_cider"


class Vectors(NamedTuple):
    """Unit tf-idf vectors of captions for one n, as entries sorted by caption: `weights`[i] of n-gram `grams`[i] in
    caption `rows`[i]."""

    rows: np.ndarray
    grams: np.ndarray
    weights: np.ndarray


def rows(captions: Sequence[Reading], model: str, context: Context) -> list[Row]:
    """self_cider where every image has several captions, else pairwise_cider; n is the number of images."""
    images, image = np.unique([reading.image_id for reading in captions], return_inverse=True)
    human = {int(key): context.references.get(int(key), ()) for key in images}
    if not any(human.values()):
        return [unavailable(PAIRS, model, "similarity 0-1", SOURCE, "no reference captions for these images")]
    vectors = vectorise([reading.words for reading in captions], human)
    if len(captions) == len(images):
        return [row(PAIRS, model, pairwise(vectors, len(captions)), "similarity 0-1", SOURCE)]
    own = self_cider(vectors, image, len(images))
    estimate = bootstrap_mean(own, context.generator(OWN), context.draws)
    return [row(OWN, model, estimate, "diversity 0-1", SOURCE, "over images with several captions")]


def vectorise(captions: Sequence[Sequence[str]], human: Mapping[int, Iterable[str]]) -> list[Vectors]:
    """Vectors of the captions for n = 1..4; document frequencies from the human captions by image."""
    texts = [(document, tokenize(text)) for document, each in enumerate(human.values()) for text in each]
    document = np.array([-1] * len(captions) + [number for number, _ in texts])
    sentences = [*captions, *(words for _, words in texts)]
    made = []
    for owner, grams in ngrams(sentences):
        mine = owner < len(captions)
        held = np.unique(document[owner[~mine]] << LOW | grams[~mine]) & (1 << LOW) - 1
        frequency = np.bincount(held, minlength=int(grams.max(initial=-1)) + 1)
        weight = math.log(len(human)) - np.log(np.maximum(frequency, 1))
        pairs, counts = np.unique(owner[mine] << LOW | grams[mine], return_counts=True)
        rows, kept = pairs >> LOW, pairs & (1 << LOW) - 1
        values = counts * weight[kept]
        norms = np.sqrt(np.bincount(rows, values**2, minlength=len(captions)))
        made.append(Vectors(rows, kept, np.divide(values, norms[rows], out=np.zeros(len(rows)), where=values > 0)))
    return made


def ngrams(sentences: Sequence[Sequence[str]]) -> list[tuple[np.ndarray, np.ndarray]]:
    """For n = 1..4 the sentence of each n-gram and the id of the n-gram, equal for equal n-grams."""
    table: dict[str, int] = {}
    words = np.array([table.setdefault(word, len(table)) for word in chain.from_iterable(sentences)], np.int64)
    owner = np.repeat(np.arange(len(sentences)), [len(each) for each in sentences])
    at, ids = np.arange(len(words)), words
    made = [(owner, words)]
    for n in range(1, ORDERS):
        fits = (at + n < len(words)) & (owner[np.minimum(at + n, len(words) - 1)] == owner[at])
        at = at[fits]
        ids = np.unique(ids[fits] << LOW | words[at + n], return_inverse=True)[1]
        made.append((owner[at], ids))
    return made


def pairwise(vectors: Sequence[Vectors], captions: int) -> Estimate:
    """Mean of the kernel over pairs of captions; the interval is that of a U-statistic, 1.96 standard errors."""
    if captions < 2:
        return Estimate(math.nan, math.nan, math.nan, captions)
    likeness = np.zeros(captions)
    for rows, grams, weights in vectors:
        total = np.bincount(grams, weights)
        shared = np.bincount(rows, weights * (total[grams] - weights), minlength=captions)
        likeness += shared / (ORDERS * (captions - 1))
    value, error = float(likeness.mean()), 2 * float(likeness.std(ddof=1)) / math.sqrt(captions)
    return Estimate(value, value - 1.96 * error, value + 1.96 * error, captions)


def self_cider(vectors: Sequence[Vectors], image: np.ndarray, images: int) -> np.ndarray:
    """(images,) diversity of each image's captions; NaN where there are fewer than two, or only empty ones."""
    captions: list[list[int]] = [[] for _ in range(images)]
    for caption, number in enumerate(image.tolist()):
        captions[number].append(caption)
    bounds = [np.searchsorted(part.rows, np.arange(len(image) + 1)) for part in vectors]
    values = np.full(images, math.nan)
    for number, members in enumerate(captions):
        if len(members) > 1:
            kernel = sum(_kernel(part, at, members) for part, at in zip(vectors, bounds, strict=True))
            values[number] = spread(np.asarray(kernel))
    return values


def _kernel(vectors: Vectors, at: np.ndarray, members: Sequence[int]) -> np.ndarray:
    """(m, m) products of the members' vectors, over the number of orders."""
    entries = [np.arange(at[member], at[member + 1]) for member in members]
    flat = np.concatenate(entries)
    grams, place = np.unique(vectors.grams[flat], return_inverse=True)
    dense = np.zeros((len(members), len(grams)))
    dense[np.repeat(np.arange(len(members)), [len(each) for each in entries]), place] = vectors.weights[flat]
    return dense @ dense.T / ORDERS


def spread(kernel: np.ndarray) -> float:
    """-log(sqrt(max l) / sum sqrt(l)) / log(m) of the eigenvalues l of a kernel (m, m); NaN for a kernel of zeros."""
    roots = np.sqrt(np.maximum(np.linalg.eigvalsh(kernel), 0))
    if roots.sum() == 0:
        return math.nan
    return float(-np.log(roots.max() / roots.sum()) / math.log(len(kernel)))
