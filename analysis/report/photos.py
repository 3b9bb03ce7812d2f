"""Photographs of a report: thumbnails inside the page, or an address on COCO's server that loads on request.

A page with an `<img>` that cannot be reached is a page with an error in it, and whether a reader is on line is not
known when the page is written.  So "auto" puts pixels inside the page: from the image folder where one is given, else
fetched once, now, from COCO's server.  What cannot be had stays behind a button ("click"), and nothing is asked of any
server until it is pressed.
"""

import contextlib
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Literal

from PIL import Image as Picture

from probing_vlp.errors import UserError
from probing_vlp.pages.pictures import small_jpeg
from probing_vlp.records import Image

Policy = Literal["auto", "url", "click", "none"]
SIDE = 320
SMALL = 160
"""Longest side of the many photographs that a search shows."""
BUDGET = 6_000_000
"""Bytes of the page that all of those may take."""
TIMEOUT = 3.0
MOST_BYTES = 8 << 20


@dataclass(frozen=True)
class Photo:
    """What the page shows for an image."""

    source: str = ""
    """For `<img src>`: a data URI, or with "url" an address.  Empty: not shown until asked for."""
    url: str = ""
    """Address on COCO's server, empty if the image is not one of COCO 2014."""
    width: int = 0
    height: int = 0
    """Pixels of the thumbnail, 0 where unknown."""


def find_photos(images: Sequence[Image], policy: Policy, folder: Path | None) -> list[Photo]:
    """One Photo an image, in order.

    Raises UserError when `folder` is given and lacks a file, or holds one that is not a picture.
    """
    if policy == "none":
        return [Photo() for _ in images]
    if folder is not None:
        return [_from_folder(folder, image) for image in images]
    if policy == "url":
        return [Photo(image.coco_url, image.coco_url) for image in images]
    return _fetched(images) if policy == "auto" else [Photo(url=image.coco_url) for image in images]


def small_photos(images: Sequence[Image], policy: Policy, folder: Path | None) -> list[Photo]:
    """One Photo an image, in order, small: from `folder` as many as fit into BUDGET; a file that is not there or cannot
    be read is left out.  The others have their address on COCO's server, unless the policy is none."""
    photos, left = [], BUDGET
    for image in images:
        photo = Photo(url="" if policy == "none" else image.coco_url)
        if policy != "none" and folder is not None and image.file_name and left > 0:
            with contextlib.suppress(UserError):
                photo = _from_folder(folder, image, SMALL)
            left -= len(photo.source)
        photos.append(photo)
    return photos


def _from_folder(folder: Path, image: Image, side: int = SIDE) -> Photo:
    if not image.file_name:
        raise UserError(f"image {image.image_id} has no file name in the dump nor in --data; leave --images out")
    places = (folder / image.folder, folder, folder / image.coco_url.split("/")[-2] if image.coco_url else folder)
    path = next((place / image.file_name for place in places if (place / image.file_name).is_file()), None)
    if path is None:
        raise UserError(f"{folder / image.file_name}: no such image; --images takes the folder that holds it")
    try:
        return thumbnail(path.read_bytes(), image.coco_url, side)
    except (OSError, ValueError, SyntaxError) as error:
        raise UserError(f"{path}: not a readable picture ({error}); copy it again") from None


def _fetched(images: Sequence[Image]) -> list[Photo]:
    """Thumbnails from COCO's server; after the first failure the server is asked no more."""
    photos, reachable = [], True
    for image in images:
        photo = Photo(url=image.coco_url)
        if reachable and photo.url:
            try:
                with urllib.request.urlopen(photo.url, timeout=TIMEOUT) as answer:
                    photo = thumbnail(answer.read(MOST_BYTES), photo.url)
            except (OSError, ValueError, SyntaxError, HTTPException, Picture.DecompressionBombError):
                reachable = False
        photos.append(photo)
    return photos


def thumbnail(data: bytes, url: str = "", side: int = SIDE) -> Photo:
    """A JPEG of at most side x side pixels as a data URI.  OSError, ValueError or SyntaxError for a bad picture."""
    small = small_jpeg(data, side, 82 if side > SMALL else 68)
    return Photo(small.source, url, small.width, small.height)
