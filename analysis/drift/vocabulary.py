"""Vocabulary of a dump: how many words, how evenly used, and how many captions are distinct.

With f_w the uses of word w, N = sum of f_w, V distinct words, n captions of which D are distinct (after
`data.text.tokenize`):

    vocabulary          V                        grows with n: to be compared between dumps of one size only
    type_token_ratio    V / N                    falls with n: the same
    distinct_captions   D / n                    falls with n: the same
    hdd                 E[distinct words in 42 words drawn from the N without replacement] / 42
                        = (sum over w of 1 - C(N - f_w, 42) / C(N, 42)) / 42; HD-D of McCarthy & Jarvis (2007)
    vocabulary_1000     E[distinct words in 1,000 such words], the same sum: free of the dump's length
    frequent_words      uses of the FREQUENT most frequent words of all human captions of the data / N

Length-corrected ratios that read on in the text (MTLD, moving average) would depend on the order of the captions; HD-D
does not, and counts of words are enough for it.  Intervals: value -+ 1.96 standard errors by the jackknife that leaves
out a GROUPS-th of the images in turn; a bootstrap would draw images twice and so find too few words.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import blake2b

import numpy as np

from analysis.context import Context
from analysis.ratios import Ratio, column
from analysis.reading import Reading
from probing_vlp.data.text import tokenize
from probing_vlp.pages.results import Row, row, unavailable
from probing_vlp.stats import Estimate

SOURCE = __name__
FREQUENT, GROUPS, LEVEL = 100, 20, 1.96
UNITS = {
    "vocabulary": "distinct words",
    "type_token_ratio": "distinct words/word",
    "distinct_captions": "share of captions",
    "hdd": "distinct words/word",
    "vocabulary_1000": "distinct words",
}


def ratios() -> dict[str, Ratio]:
    """frequent_words, a share of words."""
    note = f"the {FREQUENT} most frequent words of the human captions"
    return {"drift:frequent_words": Ratio("frequent_words", "ranked_words", "share of words", SOURCE, note)}


def columns(captions: Sequence[Reading], context: Context) -> Mapping[str, np.ndarray]:
    """Frequent words of each caption, and words, 0 where there are no human captions to rank them by; (n,)."""
    frequent = frequent_words(context)
    return {
        "ranked_words": column([len(reading.words) if frequent else 0 for reading in captions]),
        "frequent_words": column([sum(word in frequent for word in reading.words) for reading in captions]),
    }


def frequent_words(context: Context) -> frozenset[str]:
    """The FREQUENT most frequent words of all human captions of the data; ties in alphabetical order; made once."""
    found: frozenset[str] = context.once("frequent words", lambda: _frequent_words(context))
    return found


def _frequent_words(context: Context) -> frozenset[str]:
    counts = Counter(word for texts in context.references.values() for text in texts for word in tokenize(text))
    return frozenset(sorted(counts, key=lambda word: (-counts[word], word))[:FREQUENT])


def counters(captions: Sequence[Reading], context: Context) -> Mapping[str, Counter[str]]:
    """Uses of each word, and of each caption by a digest of its words; shards add up."""
    texts = (" ".join(reading.words).encode() for reading in captions)
    return {
        "words": Counter(word for reading in captions for word in reading.words),
        "captions": Counter(blake2b(text, digest_size=8).hexdigest() for text in texts),
    }


def counted_rows(counted: Mapping[str, Counter[str]], model: str, context: Context) -> list[Row]:
    """The rows that follow from `counters` alone, without intervals; n is the number of captions."""
    uses = [np.array(list(counted[name].values()), float) for name in ("words", "captions")]
    n = counted["captions"].total()
    return [_row(name, model, Estimate(value, math.nan, math.nan, n)) for name, value in statistics(*uses).items()]


def rows(captions: Sequence[Reading], model: str) -> list[Row]:
    """The same rows with intervals over images; n is the number of images."""
    images, image = np.unique([reading.image_id for reading in captions], return_inverse=True)
    groups = min(GROUPS, len(images))
    words = _table([reading.words for reading in captions], image % groups, groups)
    texts = _table([(" ".join(reading.words),) for reading in captions], image % groups, groups)
    values = statistics(words.sum(0), texts.sum(0))
    left = [statistics(words.sum(0) - words[i], texts.sum(0) - texts[i]) for i in range(groups)]
    made = []
    for name, value in values.items():
        without = np.array([each[name] for each in left])
        error = math.sqrt((groups - 1) / groups * ((without - without.mean()) ** 2).sum()) if groups > 1 else math.nan
        estimate = Estimate(value, value - LEVEL * error, value + LEVEL * error, len(images))
        made.append(_row(name, model, estimate))
    return made


def _row(name: str, model: str, estimate: Estimate) -> Row:
    if math.isnan(estimate.value):
        return unavailable(f"drift:{name}", model, UNITS[name], SOURCE, "too few words in the dump", estimate.n)
    return row(f"drift:{name}", model, estimate, UNITS[name], SOURCE)


def statistics(words: np.ndarray, captions: np.ndarray) -> dict[str, float]:
    """The quantities of UNITS from the uses of each word (V,) and of each caption (D,); zeros are no uses."""
    kinds, uses, total = int((words > 0).sum()), words.sum(), captions.sum()
    return {
        "vocabulary": float(kinds),
        "type_token_ratio": float(kinds / uses) if uses else math.nan,
        "distinct_captions": float((captions > 0).sum() / total) if total else math.nan,
        "hdd": rarefied(words, 42) / 42,
        "vocabulary_1000": rarefied(words, 1000),
    }


def rarefied(uses: np.ndarray, sample: int) -> float:
    """Expected number of distinct words among `sample` of all uses (V,), drawn without replacement; NaN if there are
    fewer."""
    total = int(uses.sum())
    if total < sample:
        return math.nan
    counts, words = np.unique(uses[uses > 0].astype(int), return_counts=True)
    absent = [_absent(int(count), total, sample) for count in counts]
    return float((words * (1 - np.array(absent))).sum())


def _absent(count: int, total: int, sample: int) -> float:
    """C(total - count, sample) / C(total, sample)."""
    if total - count < sample:
        return 0.0
    log = math.lgamma
    return math.exp(log(total - count + 1) - log(total - count - sample + 1) - log(total + 1) + log(total - sample + 1))


def _table(items: Sequence[Sequence[str]], group: np.ndarray, groups: int) -> np.ndarray:
    """(groups, distinct items) int: uses of each item in each group of captions."""
    ids: dict[str, int] = {}
    flat = np.array([ids.setdefault(item, len(ids)) for each in items for item in each], int)
    owner = np.repeat(group, [len(each) for each in items])
    return np.bincount(owner * len(ids) + flat, minlength=groups * len(ids)).reshape(groups, len(ids))
