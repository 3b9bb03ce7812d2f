"""Retrieval between images and captions from a matrix of matching scores: how well a scorer tells its images apart."""

from collections.abc import Mapping, Sequence

import numpy as np

from probing_vlp.stats import Estimate, bootstrap_mean

CUTS = (1, 5)


def retrieval(scores: np.ndarray, owner: np.ndarray, cuts: Sequence[int] = CUTS) -> dict[str, np.ndarray]:
    """Each (images,), to be averaged or resampled by image: shares found among the first 1, 5, ..., and median ranks.

    `scores` (images, captions), `owner` (captions,) the image of a caption.  "caption_to_image" looks for the image of
    a caption (the mean over the image's captions); "image_to_caption" for any caption of an image.  Ranks count from 1,
    and a tie counts against the scorer, so that a constant score finds nothing.
    """
    own = scores[owner, np.arange(len(owner))]  # (captions,)
    image_rank = (scores >= own).sum(axis=0)
    best = np.full(len(scores), -np.inf)
    np.maximum.at(best, owner, own)
    foreign = np.arange(len(scores))[:, None] != owner
    caption_rank = 1 + ((scores >= best[:, None]) & foreign).sum(axis=1)
    count = np.bincount(owner, minlength=len(scores))
    found = {f"caption_to_image_r{k}": np.bincount(owner, image_rank <= k, len(scores)) / count for k in cuts}
    found |= {f"image_to_caption_r{k}": (caption_rank <= k).astype(float) for k in cuts}
    found["caption_to_image_rank"] = np.array([np.median(image_rank[owner == i]) for i in range(len(scores))])
    found["image_to_caption_rank"] = caption_rank.astype(float)
    return found


def summary(found: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Means of the shares (in 0..1) and medians of the ranks."""
    return {name: float(np.median(v) if name.endswith("_rank") else np.mean(v)) for name, v in found.items()}


def quality(found: Mapping[str, np.ndarray]) -> float:
    """What training selects by: the mean of the shares."""
    return float(np.mean([np.mean(v) for name, v in found.items() if not name.endswith("_rank")]))


def estimates(found: Mapping[str, np.ndarray], seed: int) -> dict[str, Estimate]:
    """The shares with 95 % intervals over images."""
    generator = np.random.default_rng(seed)
    return {name: bootstrap_mean(v, generator) for name, v in found.items() if not name.endswith("_rank")}
