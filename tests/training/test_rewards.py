"""Images encoded in parts and joined, whatever their encoding."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hub_toys import save_clip, save_llava, save_vilt
from scorer_toys import pictures

from probing_vlp.data.visuals import VisualSource
from probing_vlp.records import Image
from probing_vlp.scorers import load_scorer
from probing_vlp.training.rewards import encode_images

COUNT = 5
CAPTIONS = ["a dog", "a cat on a mat", "two dogs", "a mat", "a very small dog"]


@pytest.fixture
def source(tmp_path: Path) -> VisualSource:
    pictures(tmp_path, COUNT)
    nothing: Any = None
    return VisualSource(nothing, None, tmp_path)


IMAGES = [Image(i, f"{i}.png", "test") for i in range(COUNT)]


class Watched:
    """A scorer, and how many images each call of encode was given."""

    def __init__(self, scorer: Any) -> None:
        self.scorer, self.visual, self.name = scorer, scorer.visual, scorer.name
        self.calls: list[int] = []

    def encode(self, visuals: Sequence[Any]) -> Any:
        self.calls.append(len(visuals))
        return self.scorer.encode(visuals)


@pytest.mark.parametrize(("name", "save"), [("clip", save_clip), ("vilt", save_vilt), ("vqa-score", save_llava)])
def test_encodings_that_can_be_joined(
    name: str, save: Callable[[Path], Path], source: VisualSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One tensor, ragged rows of tensors, and a list."""
    scorer = load_scorer(name, checkpoint=save(tmp_path), device="cpu")
    whole = scorer.score(scorer.encode(source.get("pixels", IMAGES)), CAPTIONS)
    monkeypatch.setattr("probing_vlp.training.rewards.ENCODE_BATCH", 2)
    watched = Watched(scorer)
    encoded = encode_images(watched, IMAGES, source, quiet=True)
    assert watched.calls == [2, 2, 1] and len(encoded) == COUNT
    assert scorer.score(encoded, CAPTIONS).tolist() == pytest.approx(whole.tolist(), abs=1e-6)
    picked = scorer.score(encoded.select([4, 0]), [CAPTIONS[4], CAPTIONS[0]])
    assert picked.tolist() == pytest.approx([whole[4].item(), whole[0].item()], abs=1e-6)


class Names:
    """An encoding that cannot be joined."""

    def __init__(self, names: list[str]) -> None:
        self.names = names

    def __len__(self) -> int:
        return len(self.names)

    def select(self, rows: Sequence[int]) -> "Names":
        return Names([self.names[row] for row in rows])


class NameScorer:
    name, visual, unit = "names", "pixels", "logit"

    def encode(self, visuals: Sequence[Any]) -> Names:
        return Names([visual.path.name for visual in visuals])


def test_an_encoding_without_join_is_made_at_once(source: VisualSource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("probing_vlp.training.rewards.ENCODE_BATCH", 2)
    watched = Watched(NameScorer())
    encoded = encode_images(watched, IMAGES, source, quiet=True)
    assert watched.calls[-1] == COUNT and encoded.names == [image.file_name for image in IMAGES]
