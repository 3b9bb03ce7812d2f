"""Questions about images as the processor of a generative vision-language model writes them."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor

STAND_IN = Image.new("RGB", (64, 48), "grey")


class EncodedPictures:
    """Prepared images, one an item; `rows` are the items meant, in order."""

    def __init__(self, items: Sequence[dict[str, Any]], rows: Sequence[int] | None = None) -> None:
        self.items = list(items)
        self.rows = list(range(len(self.items))) if rows is None else list(rows)

    def __len__(self) -> int:
        return len(self.rows)

    def select(self, rows: Sequence[int]) -> "EncodedPictures":
        """The given rows, repeats allowed, in the given order."""
        return EncodedPictures(self.items, [self.rows[row] for row in rows])

    @classmethod
    def join(cls, parts: Sequence["EncodedPictures"]) -> "EncodedPictures":
        """Several encodings as one."""
        return cls([part.items[row] for part in parts for row in part.rows])


class Prepared:
    """An image processor that gives what it gave before, when told to: images are prepared once."""

    def __init__(self, processor: Any) -> None:
        self._processor = processor
        self.last: Any = None
        self.given: Mapping[str, Any] | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The processor's output, remembered in `last`; or `given`."""
        from transformers import BatchFeature

        if self.given is not None:
            return BatchFeature(dict(self.given))
        self.last = self._processor(*args, **kwargs)
        return BatchFeature(dict(self.last))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._processor, name)


class Questions:
    """A processor asked one question about one image at a time; `prepare` does the image's part once."""

    def __init__(self, processor: Any) -> None:
        self._processor = processor
        self._images = processor.image_processor = Prepared(processor.image_processor)
        self._token = str(getattr(processor, "image_token", None) or "")
        self._front = ""
        if processor.chat_template is None and self._token and not self._places_image():
            self._front = self._token + "\n"

    def prepare(self, picture: Image.Image) -> dict[str, Any]:
        """What the image processor makes of one image: tensors, and what the text needs to know of it."""
        self._images.given = None
        self._make("", picture)
        return dict(self._images.last)

    def ask(self, question: str, kept: Mapping[str, Any]) -> dict[str, Tensor]:
        """The model's inputs, a batch of one, for a question about an image that was prepared."""
        self._images.given = kept
        try:
            return self._make(question.replace(self._token, " ") if self._token else question, STAND_IN)
        finally:
            self._images.given = None

    def _make(self, question: str, picture: Image.Image) -> dict[str, Tensor]:
        if self._processor.chat_template is None:
            made = self._processor(text=[self._front + question], images=[picture], return_tensors="pt")
        else:
            content = [{"type": "image", "image": picture}, {"type": "text", "text": question}]
            made = self._processor.apply_chat_template(
                [{"role": "user", "content": content}],
                add_generation_prompt=True,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
            )
        return {key: value for key, value in made.items() if isinstance(value, Tensor)}

    def _places_image(self) -> bool:
        """Whether the processor puts the image into a question that does not mention it."""
        try:
            ids = self._make("a", STAND_IN)["input_ids"]
        except ValueError:
            return False
        return bool((ids == self._processor.tokenizer.convert_tokens_to_ids(self._token)).any())


def join_inputs(inputs: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """One batch of inputs of one shape."""
    return {key: torch.cat([made[key] for made in inputs]) for key in inputs[0]}
