"""The ten most frequent words of a dump: what its captions are mostly made of (appendix A of Ma et al. 2023).

Two rows a word, ranked by count, then alphabetically: "unigram_count:RANK:WORD" and "unigram_share:RANK:WORD", its
share of all words, with an interval over captions.  Function words count as any other.
"""

from collections import Counter

import numpy as np

from analysis.context import Context
from analysis.results import Row, row
from probing_vlp.data.text import tokenize
from probing_vlp.dump import CaptionDump
from probing_vlp.stats import bootstrap_ratio

TOP = 10


def measure(dump: CaptionDump, context: Context) -> list[Row]:
    """Count and share of each of the TOP words; n is the number of captions."""
    counts = [Counter(tokenize(record.caption)) for record in dump.records]
    lengths = np.array([count.total() for count in counts], float)
    rows = []
    for rank, (word, total) in enumerate(top_words(counts), 1):
        uses = np.array([count[word] for count in counts], float)
        share = bootstrap_ratio(uses, lengths, context.generator(f"unigram:{word}"), context.draws)
        count = Row(f"unigram_count:{rank}:{word}", dump.name, float(total), None, None, share.n, "words", __name__)
        rows += [count, row(f"unigram_share:{rank}:{word}", dump.name, share, "share of words", __name__)]
    return rows


def top_words(counts: list[Counter[str]]) -> list[tuple[str, int]]:
    """The TOP words with their counts."""
    total = Counter[str]()
    for count in counts:
        total.update(count)
    return sorted(total.items(), key=lambda item: (-item[1], item[0]))[:TOP]
