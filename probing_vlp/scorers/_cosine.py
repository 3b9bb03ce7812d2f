"""What the dual encoders share: image and text vectors of unit length, and their cosine."""

from collections.abc import Callable, Sequence

import torch

from probing_vlp.scorers.base import TensorEncoded


def cosine_scores(
    encoded: TensorEncoded, captions: Sequence[str], embed: Callable[[list[str]], torch.Tensor]
) -> torch.Tensor:
    """(B,) float32 on the CPU, in [-1, 1]: caption i against row i of `encoded` (B, D), whose rows have length one.

    `embed` turns n captions into (n, D) rows of length one; each distinct caption is embedded once.
    A blank caption is NaN: there is nothing that could match.
    """
    if len(captions) != len(encoded):
        raise ValueError(f"{len(captions)} captions for {len(encoded)} encoded images; select() the rows first")
    place = {caption: i for i, caption in enumerate(dict.fromkeys(c for c in captions if c.strip()))}
    images = encoded.tensor.float()
    scores = torch.full((len(captions),), torch.nan, device=images.device)
    rows = [i for i, caption in enumerate(captions) if caption in place]
    if rows:
        texts = embed(list(place)).float()
        scores[rows] = (images[rows] * texts[[place[captions[i]] for i in rows]]).sum(dim=1)
    return scores.cpu()
