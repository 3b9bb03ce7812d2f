"""Weights stored in bfloat16: how little the order of the captions of an image moves."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hub_toys import save_blip, save_clip, save_llava, save_siglip, save_vilt
from scorer_toys import pictures
from torch import Tensor

from probing_vlp.scorers import load_scorer

WORDS = ["a", "dog", "cat", "on", "mat", "two", "very", "small", "is", "of", "sit", "!"]
IMAGES, CAPTIONS = 8, 12


def captions() -> list[str]:
    """Of one to nine words."""
    generator = torch.Generator().manual_seed(1)
    lengths = torch.randint(1, 10, (CAPTIONS,), generator=generator).tolist()
    return [" ".join(WORDS[i] for i in torch.randint(0, len(WORDS), (n,), generator=generator)) for n in lengths]


def kendall(one: Tensor, other: Tensor) -> float:
    """Concordant less discordant pairs over all pairs; a tie counts half."""
    left, right = (x[:, None] - x[None] for x in (one, other))
    pairs = torch.triu_indices(len(one), len(one), 1)
    return (torch.sign(left) * torch.sign(right))[pairs[0], pairs[1]].mean().item()


def scores(name: str, folder: Path, dtype: str) -> Tensor:
    """(IMAGES, CAPTIONS)."""
    scorer = load_scorer(name, checkpoint=folder, dtype=dtype, device="cpu")
    encoded = scorer.encode(pictures(folder, IMAGES))
    rows = [row for row in range(IMAGES) for _ in range(CAPTIONS)]
    return scorer.score(encoded.select(rows), captions() * IMAGES).view(IMAGES, CAPTIONS)


@pytest.mark.parametrize(
    ("name", "save"),
    [("clip", save_clip), ("siglip", save_siglip), ("blip", save_blip), ("vilt", save_vilt), ("vqa-score", save_llava)],
)
def test_the_ranking_hardly_moves(name: str, save: Callable[[Path], Path], tmp_path: Path) -> None:
    folder = save(tmp_path)
    full, half = scores(name, folder, "float32"), scores(name, folder, "bfloat16")
    taus = [kendall(*rows) for rows in zip(full, half, strict=True)]
    top = (full.argmax(1) == half.argmax(1)).float().mean().item()
    moved = (full - half).abs().max() / full.std(1).mean()
    print(f"{name}: tau {sum(taus) / IMAGES:.3f} (least {min(taus):.3f}), best kept {top:.2f}, moved {moved:.3f} sd")
    assert sum(taus) / IMAGES > 0.9 and top >= 0.75
