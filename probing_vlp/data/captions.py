"""Images with their human captions, from whatever source: what readers make and everybody else reads."""

from collections.abc import Mapping
from dataclasses import dataclass

from probing_vlp.data.text import tokenize
from probing_vlp.errors import UserError
from probing_vlp.records import Image, References

Tokens = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class CaptionData:
    """Images in the order of their source; `captions` (raw) and `tokens` by image id, in the same order."""

    images: tuple[Image, ...]
    captions: Mapping[int, tuple[str, ...]]
    tokens: Mapping[int, Tokens]
    source: str = ""

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits that have images."""
        return tuple(dict.fromkeys(image.split for image in self.images))

    def split(self, name: str) -> tuple[Image, ...]:
        """Images of one split; UserError listing the splits there are if it has none."""
        chosen = tuple(image for image in self.images if image.split == name)
        if not chosen:
            raise UserError(f"{self.source}: split '{name}' is empty; there are: {', '.join(self.splits)}")
        return chosen

    def references(self, image: Image) -> References:
        """The human captions of an image."""
        return References(image.image_id, self.captions[image.image_id])


def tokens_of(captions: Mapping[int, tuple[str, ...]]) -> dict[int, Tokens]:
    """Tokens of raw captions by image id."""
    return {key: tuple(tuple(tokenize(text)) for text in texts) for key, texts in captions.items()}
