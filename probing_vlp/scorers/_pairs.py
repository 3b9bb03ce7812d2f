"""Scoring pairs with region models: images encoded once, each distinct pair scored once, like lengths together.

N images, R regions, H hidden, B pairs, T tokens.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from probing_vlp.errors import UserError
from probing_vlp.records import Regions

CHUNK = {"cpu": 16, "cuda": 256}
"""Pairs, or images, at a time: small ones need less padding, a GPU wants large ones."""


class EncodedRegions:
    """Embedded regions of images: `regions` (N, R, H) padded with zeros, `counts` (N,); stays on its device.

    `rows` are the images meant, in order: picking rows copies nothing.
    """

    def __init__(self, regions: Tensor, counts: Tensor, rows: Sequence[int] | None = None) -> None:
        self.regions, self.counts = regions, counts
        self.rows = list(range(len(regions))) if rows is None else list(rows)

    def __len__(self) -> int:
        return len(self.rows)

    def select(self, rows: Sequence[int]) -> "EncodedRegions":
        """The given rows, repeats allowed, in the given order."""
        return EncodedRegions(self.regions, self.counts, [self.rows[row] for row in rows])

    def take(self, images: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Regions (B, most, H) of the given images of the store, and whether each is there (B, most)."""
        at = torch.as_tensor(images, dtype=torch.long, device=self.regions.device)
        counts = self.counts[at]
        most = int(counts.max())
        there = torch.arange(most, device=counts.device) < counts[:, None]
        return self.regions[at, :most], there

    @classmethod
    def join(cls, parts: Sequence["EncodedRegions"]) -> "EncodedRegions":
        """Several encodings of whole lists of images as one."""
        regions = pad_sequence([image for part in parts for image in part.regions], batch_first=True)
        return cls(regions, torch.cat([part.counts for part in parts]))


class RegionScorer:
    """What the region models have in common.  A model gives a network and says how it is fed.

    The network has `embed_regions(features (B, R, D), boxes (B, R, P), there (B, R)) -> (B, R, H)`, run once an image,
    and `match(ids (B, T), words (B, T), regions (B, R, H), there (B, R)) -> dict` of scores (B,) by name.
    `words` and `there` are booleans: False is padding.
    """

    name = "regions"
    visual = "regions"
    unit = "probability"
    feature_size = 2048

    def __init__(self, network: Any, score: str, units: dict[str, str]) -> None:
        """`units`: the scores that the network gives, by name, with their units; `score` is the one asked for."""
        if score not in units:
            raise UserError(f"{self.name}: no score '{score}'; there are {', '.join(units)}")
        self.network, self._score, self.unit = network, score, units[score]
        parameter = next(nn.Module.parameters(network))
        self.device, self.dtype = parameter.device, parameter.dtype
        self._chunk = CHUNK.get(self.device.type, CHUNK["cuda"])

    def inputs(self, image: Regions) -> tuple[np.ndarray, np.ndarray]:
        """Features (R, D) and boxes (R, P), float32, of the regions that the model looks at."""
        raise NotImplementedError

    def ids(self, caption: str) -> list[int]:
        """Token ids of a caption as the model's authors feed it."""
        raise NotImplementedError

    @torch.inference_mode()
    def encode(self, visuals: Sequence[Regions]) -> EncodedRegions:
        """Regions, embedded once.  Raises UserError for features of another width."""
        parts = [self._encode(visuals[i : i + self._chunk]) for i in range(0, len(visuals), self._chunk)]
        if not parts:
            return EncodedRegions(torch.zeros(0, 1, 1, device=self.device), torch.zeros(0, device=self.device).long())
        return EncodedRegions.join(parts)

    @torch.inference_mode()
    def score(self, encoded: EncodedRegions, captions: Sequence[str]) -> Tensor:
        """(B,) float32; NaN for a blank caption: there is nothing that could match."""
        if len(captions) != len(encoded):
            raise ValueError(f"{len(captions)} captions for {len(encoded)} encoded images; select() the rows first")
        pairs = [(row, caption) for row, caption in zip(encoded.rows, captions, strict=True) if caption.strip()]
        distinct = list(dict.fromkeys(pairs))
        ids = {caption: self.ids(caption) for _, caption in distinct}
        used = list({row for row, _ in distinct})
        counts = dict(zip(used, encoded.counts[used].tolist(), strict=True))
        distinct.sort(key=lambda pair: (counts[pair[0]], len(ids[pair[1]])))
        found: dict[tuple[int, str], float] = {}
        for start in range(0, len(distinct), self._chunk):
            part = distinct[start : start + self._chunk]
            scores = self._match([ids[caption] for _, caption in part], *encoded.take([row for row, _ in part]))
            found.update(zip(part, scores, strict=True))
        values = [found.get(pair, float("nan")) for pair in zip(encoded.rows, captions, strict=True)]
        return torch.tensor(values, dtype=torch.float32)

    def pad(self, ids: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Tokens (B, T), padded with 0 to the longest, and whether each is there (B, T)."""
        tokens = pad_sequence([torch.tensor(row) for row in ids], batch_first=True).to(self.device)
        lengths = torch.tensor([len(row) for row in ids], device=self.device)
        return tokens, torch.arange(tokens.shape[1], device=self.device) < lengths[:, None]

    def _match(self, ids: Sequence[Sequence[int]], regions: Tensor, there: Tensor) -> list[float]:
        scores: Tensor = self.network.match(*self.pad(ids), regions, there)[self._score]
        return scores.double().tolist()

    def _encode(self, visuals: Sequence[Regions]) -> EncodedRegions:
        for image in visuals:
            if not len(image.features):
                raise UserError(f"image {image.image_id}: has no regions; extract its features again")
            if image.features.shape[1] != self.feature_size:
                raise UserError(
                    f"image {image.image_id}: region features of width {image.features.shape[1]}; {self.name} takes "
                    f"{self.feature_size}"
                )
        pairs = [self.inputs(image) for image in visuals]
        features, boxes = (
            pad_sequence([torch.from_numpy(np.ascontiguousarray(x, np.float32)) for x in side], batch_first=True)
            for side in zip(*pairs, strict=True)
        )
        counts = torch.tensor([len(boxes) for _, boxes in pairs], device=self.device)
        there = torch.arange(features.shape[1], device=self.device) < counts[:, None]
        embedded = self.network.embed_regions(
            features.to(self.device, self.dtype), boxes.to(self.device, self.dtype), there
        )
        return EncodedRegions(embedded * there[:, :, None], counts)
