"""Pairs of regions and captions: encoded once, scored once, in any order, with neighbours of any length."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from probing_vlp.errors import UserError
from probing_vlp.records import Regions
from probing_vlp.scorers._pairs import CHUNK, EncodedRegions, RegionScorer


class Sums(nn.Module):
    """Word ids plus ten times the sum of the regions that are there; keeps what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Parameter(torch.ones(1), requires_grad=False)
        self.seen: list[tuple[list[int], list[int]]] = []
        self.embedded = 0

    def embed_regions(self, features: Tensor, boxes: Tensor, there: Tensor) -> Tensor:
        self.embedded += len(features)
        return features + boxes + 100 * ~there[:, :, None]  # rubbish where there is none

    def match(self, ids: Tensor, words: Tensor, regions: Tensor, there: Tensor) -> dict[str, Tensor]:
        self.seen.append((words.sum(1).tolist(), there.sum(1).tolist()))
        assert words.any(0).all() and there.any(0).all()  # no more padding than the longest asks for
        sums = (ids * words).sum(1) + 10 * (regions.sum(2) * there).sum(1)
        return {"sum": sums, "less": -sums}


class Adder(RegionScorer):
    name, feature_size = "adder", 1

    def __init__(self, score: str = "sum") -> None:
        super().__init__(Sums(), score, {"sum": "logit", "less": "logit"})

    def inputs(self, image: Regions) -> tuple[np.ndarray, np.ndarray]:
        return image.features, image.boxes[:, :1]

    def ids(self, caption: str) -> list[int]:
        return [len(word) for word in caption.split()]


def image(number: int, *features: float) -> Regions:
    boxes = np.ones((len(features), 4), np.float32)
    return Regions(number, np.array(features, np.float32).reshape(-1, 1), boxes, 10, 20)


IMAGES = [image(0, 1, 2), image(1, 5), image(2, 1, 1, 1)]  # with the ones of the boxes: 5, 6, 6


def test_scores_by_hand() -> None:
    scorer = Adder()
    assert scorer.score(scorer.encode(IMAGES), ["a dog", "a", "a very old dog"]).tolist() == [54, 61, 71]
    less = Adder("less")
    assert less.score(less.encode(IMAGES), ["a dog", "a", "a very old dog"]).tolist() == [-54, -61, -71]


def test_images_are_encoded_once_and_distinct_pairs_scored_once() -> None:
    scorer = Adder()
    encoded = scorer.encode(IMAGES)
    rows = [0, 1, 0, 0, 2, 1]
    scores = scorer.score(encoded.select(rows), ["a dog", "a", "a dog", "a", "a dog", " "])
    assert scores[:5].tolist() == [54, 61, 54, 51, 64]
    assert scores[5].isnan()
    assert scorer.network.embedded == 3
    assert sum(len(words) for words, _ in scorer.network.seen) == 4


def test_like_sizes_go_together() -> None:
    scorer = Adder()
    images = [image(i, *range(1 + i % 2)) for i in range(2 * CHUNK["cpu"])]
    captions = ["a " * (1 + i // 2 % 2) for i in range(len(images))]
    wanted = [(1 + i // 2 % 2) + 10 * [1, 3][i % 2] for i in range(len(images))]
    assert scorer.score(scorer.encode(images), captions).tolist() == wanted
    assert [set(there) for _, there in scorer.network.seen] == [{1}, {2}]
    assert all(words == sorted(words) for words, _ in scorer.network.seen)


def test_rows_of_rows() -> None:
    scorer = Adder()
    picked = scorer.encode(IMAGES).select([2, 0, 0]).select([1, 0])
    assert len(picked) == 2
    assert scorer.score(picked, ["a", "a"]).tolist() == [51, 61]
    regions, there = picked.take([0, 1])
    assert there.tolist() == [[True, True], [True, False]]
    assert regions[there].flatten().tolist() == [2, 3, 6]


def test_encodings_are_joined() -> None:
    scorer = Adder()
    joined = EncodedRegions.join([scorer.encode(IMAGES[:2]), scorer.encode(IMAGES[2:])])
    assert joined.regions.shape == (3, 3, 1)
    assert scorer.score(joined, ["a"] * 3).tolist() == [51, 61, 61]


def test_nothing_at_all() -> None:
    scorer = Adder()
    assert scorer.score(scorer.encode([]), []).shape == (0,)
    assert scorer.score(scorer.encode(IMAGES).select([]), []).shape == (0,)
    assert scorer.score(scorer.encode(IMAGES[:2]), ["", " "]).isnan().all()


def test_mistakes() -> None:
    scorer = Adder()
    with pytest.raises(UserError, match="image 0: region features of width 3; adder takes 1"):
        scorer.encode([replace(IMAGES[0], features=np.zeros((2, 3), np.float32))])
    with pytest.raises(UserError, match="image 7: has no regions"):
        scorer.encode([IMAGES[0], image(7)])
    with pytest.raises(ValueError, match="1 captions for 3 encoded images"):
        scorer.score(scorer.encode(IMAGES), ["a"])
    with pytest.raises(UserError, match="adder: no score 'most'; there are sum, less"):
        Adder("most")
