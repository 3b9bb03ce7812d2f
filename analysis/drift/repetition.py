"""Repetition within a caption, as shares of sums over captions.

    repeated_n      (n-grams - distinct n-grams) / n-grams, summed over captions, n = 1..4: the share of n-grams that
                    stood in their caption before.  "a cat a cat a": 5 words, 2 of them distinct, repeated_1 = 3/5;
                    4 bigrams, 2 distinct, repeated_2 = 2/4.  A caption shorter than n has no n-gram.
    doubled_words   pairs of neighbours that are one word twice ("elephant elephant") / pairs of neighbours
    repeated_nouns  (nouns - distinct nouns) / nouns, word forms

Words by `data.text.tokenize`.  Sound captions repeat function words, so repeated_1 is never near zero; from n = 2 on
it is.  After Ma et al. 2023 sections 3.4 and 4.2 ("elephant elephant"), which gives no formula for it.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from analysis.context import Context
from analysis.ratios import Ratio, column
from analysis.reading import Reading
from analysis.statistics.noun_counts import columns as noun_columns
from probing_vlp.tagging import tagger_name

SOURCE = __name__
ORDERS = (1, 2, 3, 4)


def ratios() -> dict[str, Ratio]:
    """repeated_1 to repeated_4, doubled_words and repeated_nouns."""
    ngrams = {
        f"drift:repeated_{n}": Ratio(f"repeated_{n}", f"grams_{n}", f"share of {n}-grams", SOURCE) for n in ORDERS
    }
    return {
        **ngrams,
        "drift:doubled_words": Ratio("doubled_words", "grams_2", "share of word pairs", SOURCE),
        "drift:repeated_nouns": Ratio("repeated_nouns", "nouns", "share of nouns", tagger_name()),
    }


def columns(captions: Sequence[Reading], context: Context) -> Mapping[str, np.ndarray]:
    """N-grams and repeated n-grams of each order, doubled words, nouns and repeated nouns of each caption, (n,)."""
    nouns = noun_columns(captions, context)
    found = {"nouns": nouns["nouns"], "repeated_nouns": nouns["nouns"] - nouns["distinct_nouns"]}
    for n in ORDERS:
        grams = [list(zip(*(reading.words[i:] for i in range(n)), strict=False)) for reading in captions]
        found[f"grams_{n}"] = column(list(map(len, grams)))
        found[f"repeated_{n}"] = column([len(each) - len(set(each)) for each in grams])
        if n == 2:
            found["doubled_words"] = column([sum(first == second for first, second in each) for each in grams])
    return found
