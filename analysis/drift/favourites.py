"""What a dump took a liking to: the beginning and the connective that rose most.

    rise of x          share of x in the dump - max(its share in the first dump, its share in the human captions)
    prefix             the largest rise of a beginning of 3 words, shares of captions; 4 or 5 words are taken in its
                       place where they keep KEEP of that rise
    connective         the largest rise of a word of `closed_class.CONNECTIVES`, shares of words: a longer caption alone
                       raises none
    connective_rate    uses of that word a caption

All over the images that the compared dumps share, one human caption an image.  The first dump itself is held against
the human captions alone.  The word or beginning is chosen where it rose most, so the interval of its rise, which treats
it as given, is too hopeful by that choice; thresholds learned from CE dumps contain the same choice.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from analysis.reading import Reading
from probing_vlp.data.closed_class import CONNECTIVES

LENGTHS = (3, 4, 5)
KEEP = 0.9
Shares = Mapping[str, float]


def prefix_shares(captions: Sequence[Reading], length: int) -> dict[str, float]:
    """Share of captions by their first `length` words; shorter captions have no such beginning."""
    counts = Counter(" ".join(reading.words[:length]) for reading in captions if len(reading.words) >= length)
    return {prefix: count / len(captions) for prefix, count in counts.items()}


def connective_shares(captions: Sequence[Reading]) -> dict[str, float]:
    """Share of all words by connective."""
    words = [word for reading in captions for word in reading.words]
    counts = Counter(word for word in words if word in CONNECTIVES)
    return {word: count / len(words) for word, count in counts.items()}


def risen(shares: Shares, others: Sequence[Shares]) -> tuple[str, float]:
    """What rose most over the largest of its shares in `others`, and by how much; "" and 0 if there is nothing."""
    rises = {
        name: share - max((other.get(name, 0.0) for other in others), default=0.0) for name, share in shares.items()
    }
    return min(rises.items(), key=lambda item: (-item[1], item[0]), default=("", 0.0))


def risen_prefix(captions: Sequence[Reading], others: Sequence[Sequence[Reading]]) -> str:
    """The beginning that rose most, of 3 to 5 words; "" if no caption has three words."""
    best, least = "", 0.0
    for length in LENGTHS:
        longer = f"{best} " if best else ""
        shares = {name: share for name, share in prefix_shares(captions, length).items() if name.startswith(longer)}
        name, rise = risen(shares, [prefix_shares(other, length) for other in others])
        if not name or rise < least:
            break
        best, least = name, least or KEEP * rise
    return best


def begins(captions: Sequence[Reading], prefix: str) -> np.ndarray:
    """(n,) whether a caption begins with these words."""
    wanted = tuple(prefix.split())
    return np.array([bool(wanted) and reading.words[: len(wanted)] == wanted for reading in captions], float)


def uses(captions: Sequence[Reading], word: str) -> np.ndarray:
    """(n,) how often a caption has this word."""
    return np.array([reading.words.count(word) for reading in captions], float)
