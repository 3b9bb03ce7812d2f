"""Small doubles: a captioner with random weights and its equations written out slowly, sixteen images, scorers."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from probing_vlp.captioner.fc import FCCaptioner, FCConfig
from probing_vlp.checkpoints import Checkpoint
from probing_vlp.data.features import FeatureIndex, FeatureWriter
from probing_vlp.data.visuals import DataConfig
from probing_vlp.scorers.base import TensorEncoded

THINGS = ("dog", "cat", "bus", "cake")


def tiny_captioner(
    vocabulary: int = 5, features: int = 3, hidden: int = 4, spread: float = 1.0, seed: int = 0
) -> FCCaptioner:
    """Float64, weights drawn from N(0, spread^2): word 0 is the end, the last word <unk>."""
    model = FCCaptioner(features, vocabulary, FCConfig(hidden=hidden, embedding=3)).double()
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, 0, spread, generator)
    return model


def randn(*shape: int, seed: int = 0) -> Tensor:
    """Float64 normal numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def uniform(*shape: int, seed: int = 0) -> Tensor:
    """Float64 numbers in [0, 1)."""
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def slow_logits(model: FCCaptioner, feature: Tensor, caption: Sequence[int], keep: Tensor | None = None) -> Tensor:
    """(len(caption), V): what one caption's words are chosen from, step by step from the equations; keep (T, H)."""
    H = model.config.hidden
    h = c = feature.new_zeros(H)
    rows = []
    fed = [model.image.weight @ feature + model.image.bias, *(model.word.weight[word] for word in (0, *caption[:-1]))]
    for t, x in enumerate(fed):
        i, f, o, a, b = (
            model.input_gates.weight @ x
            + model.input_gates.bias
            + model.recurrent_gates.weight @ h
            + model.recurrent_gates.bias
        ).split(H)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.maximum(a, b)
        h = torch.sigmoid(o) * torch.tanh(c)
        if t:
            rows.append(model.output.weight @ (h if keep is None else h * keep[t - 1]) + model.output.bias)
    return torch.stack(rows)


def slow_logprob(
    model: FCCaptioner, feature: Tensor, caption: Sequence[int], keep: Tensor | None = None, temperature: float = 1.0
) -> Tensor:
    """(len(caption),) log-probability of each word of a caption that holds its own end."""
    logprob = torch.log_softmax(slow_logits(model, feature, caption, keep) / temperature, 1)
    return logprob[torch.arange(len(caption)), torch.tensor(caption)]


def every_caption(vocabulary: int, most: int) -> list[list[int]]:
    """All captions: 0..most-1 words and an end, or `most` words and none."""
    words = range(1, vocabulary)
    ended = [[*prefix, 0] for n in range(most) for prefix in itertools.product(words, repeat=n)]
    return [*ended, *map(list, itertools.product(words, repeat=most))]


def padded(captions: Sequence[Sequence[int]], width: int) -> Tensor:
    """(N, width), zeros behind."""
    return torch.tensor([[*caption, *[0] * (width - len(caption))] for caption in captions])


def check_first_adam_step(
    model: FCCaptioner, gradients: Sequence[Tensor], path: Path, clip: float, rate: float
) -> None:
    """A checkpoint holds `model` after one step of Adam on clipped gradients: moment 0.1 g, w - rate * g / |g|."""
    saved = Checkpoint.load(path)
    for (name, before), gradient in zip(model.named_parameters(), gradients, strict=True):
        g = gradient.clamp(-clip, clip)
        torch.testing.assert_close(saved.group("adam_exp_avg")[name], 0.1 * g, rtol=1e-3, atol=1e-6 * clip)
        sure = (g.abs() > 1e-5) | (g == 0)  # where rounding does not decide the sign
        after = before - rate * g / (g.abs() + 1e-8)
        torch.testing.assert_close(saved.group("model")[name][sure], after.detach()[sure], rtol=1e-3, atol=rate / 500)


def toy_data(folder: Path) -> DataConfig:
    """16 images of four things (8 train, 4 val, 4 test); features say which thing, and so does each of two captions."""
    (folder / "images").mkdir()
    rows = ["image_id,file_name,split,caption"]
    for i in range(16):
        (folder / "images" / f"{i}.jpg").touch()
        split = ("train", "train", "val", "test")[i // 4]
        rows += [f"{i},{i}.jpg,{split},{caption} {THINGS[i % 4]}" for caption in ("a", "there is a")]
    (folder / "captions.csv").write_text("\n".join(rows) + "\n")
    index = FeatureIndex("toy", 4, "float32", tuple(range(16)), tuple(f"{i}.jpg" for i in range(16)))
    writer = FeatureWriter(folder / "features", index)
    writer.write(np.eye(4, dtype=np.float32)[np.arange(16) % 4])
    writer.finish()
    return DataConfig(source=f"{folder / 'images'},{folder / 'captions.csv'}", features=str(folder / "features"))


class Counts:
    """How often a word stands in the caption."""

    name, visual, unit = "counts", "references", "logit"

    def __init__(self, device: Any = "cpu", word: str = "a") -> None:
        self.word = word

    def encode(self, visuals: Sequence[Any]) -> TensorEncoded:
        return TensorEncoded(torch.tensor([visual.image_id for visual in visuals]))

    def score(self, encoded: TensorEncoded, captions: Sequence[str]) -> Tensor:
        return torch.tensor([float(caption.split().count(self.word)) for caption in captions])


class ImageNumber(Counts):
    """The id of the image, whatever the caption."""

    def score(self, encoded: TensorEncoded, captions: Sequence[str]) -> Tensor:
        return encoded.tensor.float()


class Length(Counts):
    """The number of words."""

    def score(self, encoded: TensorEncoded, captions: Sequence[str]) -> Tensor:
        return torch.tensor([float(len(caption.split())) for caption in captions])


class Fussy(Counts):
    """Counts a word, but cannot score a caption that holds it `limit` times."""

    def __init__(self, device: Any = "cpu", word: str = "a", limit: int = 2) -> None:
        self.word, self.limit = word, limit

    def score(self, encoded: TensorEncoded, captions: Sequence[str]) -> Tensor:
        counts = super().score(encoded, captions)
        return counts.masked_fill(counts >= self.limit, float("nan"))
