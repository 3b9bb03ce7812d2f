"""CIDEr-D against the human captions as a matching score: the control that shows self-critical training is right.

Range [0, 10].  An empty caption is scored like any other (about 0): nothing about it is unknown.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from probing_vlp.cider_d import WordCiderD
from probing_vlp.data.text import tokenize
from probing_vlp.records import References

Words = list[list[str]]


class CiderEncoded:
    """Prepared references; row i is the image image_ids[i]."""

    def __init__(self, metric: WordCiderD, image_ids: Sequence[int]) -> None:
        self.metric, self.image_ids = metric, tuple(image_ids)

    def __len__(self) -> int:
        return len(self.image_ids)

    def select(self, rows: Sequence[int]) -> "CiderEncoded":
        """The given rows of the same prepared references."""
        return CiderEncoded(self.metric, [self.image_ids[row] for row in rows])


class CiderScorer:
    """CIDEr-D with document frequencies over a corpus: references, or the train split of a data source.

    Without a corpus, the images of an `encode` call are its corpus: then encode a whole split at once, as a score
    depends on which images were encoded (never on which captions are scored together).
    `end`: the end of the sentence counts as a word, so that a caption that is cut short is not a free match.
    """

    name, visual, unit = "cider", "references", "cider"
    scores_blank = True

    def __init__(
        self,
        device: torch.device | str = "cpu",
        corpus: str | Path | Sequence[References] | None = None,
        end: bool = True,
    ) -> None:
        self.counts_end = end  # numpy does the work: `device` is taken because every scorer is offered one
        self._corpus = None if corpus is None else _words(_references(corpus))

    def encode(self, visuals: Sequence[References]) -> CiderEncoded:
        """Tokenise and index the references, once for all the captions to come."""
        return CiderEncoded(WordCiderD(_words(visuals), self._corpus, self.counts_end), [v.image_id for v in visuals])

    def score(
        self, encoded: CiderEncoded, captions: Sequence[str], ended: Sequence[bool] | None = None
    ) -> torch.Tensor:
        """(B,) float32: CIDEr-D of caption i against the references of row i.

        `ended[i]` is False for a caption that was cut off before its end; they all ended unless given.
        """
        if len(captions) != len(encoded):
            raise ValueError(f"{len(captions)} captions for {len(encoded)} encoded images; select() the rows first")
        scores = encoded.metric.score(encoded.image_ids, [tokenize(caption) for caption in captions], ended)
        return torch.from_numpy(scores).float()


def _words(references: Sequence[References]) -> Mapping[int, Words]:
    return {r.image_id: [tokenize(caption) for caption in r.captions] for r in references}


def _references(corpus: str | Path | Sequence[References]) -> Sequence[References]:
    if not isinstance(corpus, str | Path):
        return corpus
    from probing_vlp.data.splits import load_data

    data = load_data(str(corpus))
    return [data.references(image) for image in data.split("train")]
