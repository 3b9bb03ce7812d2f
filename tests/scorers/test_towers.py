"""Batches of captions of like length."""

import torch

from probing_vlp.scorers._towers import CHUNK, like_lengths, unit_texts


def test_batches_of_like_lengths() -> None:
    # 4 and 5 go together (5 = 1.25 * 4), 6 does not; 9 and 11 do (11 < 1.25 * 9)
    assert like_lengths([11, 4, 6, 9, 5]) == [[1, 4], [2], [3, 0]]
    assert [len(batch) for batch in like_lengths([7] * (2 * CHUNK + 1))] == [CHUNK, CHUNK, 1]


def test_vectors_come_back_in_order() -> None:
    captions = ["ccc", "a", "bb", "dddddddd"]
    seen: list[list[str]] = []

    def texts(batch: list[str]) -> torch.Tensor:
        seen.append(batch)
        return torch.tensor([[3.0 * len(caption), 4.0 * len(caption) * (-1) ** len(caption)] for caption in batch])

    vectors = unit_texts(captions, [len(caption) for caption in captions], texts)
    assert seen == [["a"], ["bb"], ["ccc"], ["dddddddd"]]
    assert torch.allclose(vectors, torch.tensor([[0.6, -0.8], [0.6, -0.8], [0.6, 0.8], [0.6, 0.8]]))
