"""Photographs of a page: small, and in the page itself."""

import base64
import io
from typing import NamedTuple

from PIL import Image, ImageOps


class Small(NamedTuple):
    """A picture as a data URI, and its width and height in pixels."""

    source: str
    width: int
    height: int


def small_jpeg(data: bytes, side: int, quality: int) -> Small:
    """A JPEG of at most side x side pixels, upright.  OSError, ValueError or SyntaxError for a bad picture."""
    with Image.open(io.BytesIO(data)) as opened:
        opened.draft("RGB", (2 * side, 2 * side))  # a JPEG is read no larger than needed
        picture = ImageOps.exif_transpose(opened).convert("RGB")
    picture.thumbnail((side, side))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality, optimize=True)
    return Small(f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}", *picture.size)
