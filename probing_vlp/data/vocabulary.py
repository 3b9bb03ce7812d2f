"""Words to ids and back.

Id 0 begins, ends and pads a caption; ids 1..n are the words, by count and then by alphabet; id n+1 is `<unk>`.
A model's output layer has `len(vocabulary)` = n+2 entries.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from probing_vlp.errors import UserError

END, UNKNOWN = 0, "<unk>"


@dataclass(frozen=True)
class Vocabulary:
    """The words that a captioner can write; `words[i]` has the id i+1."""

    words: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.words) + 2

    @property
    def unknown(self) -> int:
        """The id of every word that is not in the vocabulary."""
        return len(self.words) + 1

    @cached_property
    def ids(self) -> dict[str, int]:
        """Word to id."""
        return {word: i for i, word in enumerate(self.words, 1)}

    def encode(self, tokens: Iterable[str]) -> list[int]:
        """Ids of the tokens, without an end."""
        return [self.ids.get(token, self.unknown) for token in tokens]

    def decode(self, ids: Iterable[int]) -> list[str]:
        """Words up to the first 0, or all of them where there is none."""
        words = []
        for i in map(int, ids):
            if i == END:
                break
            words.append(UNKNOWN if i == self.unknown else self.words[i - 1])
        return words

    @cached_property
    def fingerprint(self) -> str:
        """12 hex digits of SHA-256: two vocabularies of one fingerprint give a word the same id."""
        return hashlib.sha256("\n".join(self.words).encode()).hexdigest()[:12]


def build_vocabulary(captions: Iterable[Sequence[str]], min_count: int = 5) -> Vocabulary:
    """The words seen more than `min_count` times in tokenised captions, whatever the order of the captions."""
    counts = Counter(word for tokens in captions for word in tokens)
    kept = [word for word, count in counts.items() if count > min_count and word != UNKNOWN]
    if not kept:
        raise UserError(
            f"no word is seen more than {min_count} times in the captions; give more captions or a smaller "
            "minimum count"
        )
    return Vocabulary(tuple(sorted(kept, key=lambda word: (-counts[word], word))))
