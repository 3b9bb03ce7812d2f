"""Images with their captions in train, val and test, from the file formats that captioning uses.

    captions_train.json, ...   COCO caption files (`read_coco`), read by pycocotools
    dataset_coco.json          Karpathy's split of COCO, Flickr30k or Flickr8k (`read_karpathy`), with its own tokens
    images/ and captions.csv   a plain folder and columns file_name, caption[, split][, image_id] (`read_folder`)

`load_data` picks the reader from one string, as a command line gives it.
"""

import contextlib
import csv
import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pycocotools.coco import COCO

from probing_vlp.data.captions import CaptionData, Tokens, tokens_of
from probing_vlp.data.embedded import load_embedded
from probing_vlp.data.text import tokenize
from probing_vlp.errors import UserError
from probing_vlp.files import read_bytes
from probing_vlp.records import Image

SPLITS = ("train", "val", "test")


def load_data(source: str = "embedded") -> CaptionData:
    """Read "embedded", a Karpathy JSON, a folder of captions_{train,val,test}.json or "IMAGES_DIR,captions.csv"."""
    if source == "embedded":
        return load_embedded()
    path = Path(source)
    if path.is_dir():
        files = {name: path / f"captions_{name}.json" for name in SPLITS}
        present = {name: file for name, file in files.items() if file.exists()}
        if not present:
            raise UserError(
                f"{path}: holds none of {', '.join(file.name for file in files.values())}; for a plain "
                "folder of images give IMAGES_DIR,captions.csv"
            )
        return read_coco(present, str(path))
    if not path.exists() and "," in source:
        folder, _, table = source.rpartition(",")
        return read_folder(Path(folder), Path(table))
    return read_karpathy(path)


def read_coco(paths: Mapping[str, str | Path], source: str = "") -> CaptionData:
    """Read COCO caption files, one a split.  An image belongs to one split only."""
    images: list[Image] = []
    captions: dict[int, tuple[str, ...]] = {}
    for split, path in paths.items():
        for image, texts in _read_coco_file(Path(path), split):
            if image.image_id in captions:
                raise UserError(f"{path}: image {image.image_id} ({image.file_name}) is in another split too")
            images.append(image)
            captions[image.image_id] = texts
    return _tokenized(images, captions, source or ", ".join(map(str, paths.values())))


def read_karpathy(path: str | Path, restval: bool = True) -> CaptionData:
    """Read Karpathy's JSON; "restval" images count as train, or are left out with `restval=False`.

    `cocoid` is the image id (`imgid` for Flickr), `filepath` the folder; sentences keep their own `tokens`.
    """
    path = Path(path)
    data = _load_json(path, "Karpathy split file (dataset_coco.json)")
    if "annotations" in data:
        raise UserError(f"{path}: is a COCO caption file; give the folder that holds captions_train.json and its like")
    images: list[Image] = []
    captions: dict[int, tuple[str, ...]] = {}
    tokens: dict[int, Tokens] = {}
    for i, row in enumerate(_rows(path, data, "images")):
        try:
            split, sentences = row["split"], row["sentences"]
            image_id = int(row["cocoid"] if "cocoid" in row else row["imgid"])
            image = Image(
                image_id, row["filename"], "train" if split == "restval" else split, folder=row.get("filepath", "")
            )
            texts = tuple(s["raw"].strip() if "raw" in s else " ".join(s["tokens"]) for s in sentences)
            words = tuple(tuple(s["tokens"] if "tokens" in s else tokenize(s["raw"])) for s in sentences)
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"{path}, images[{i}]: {_what(error)}; an image needs cocoid or imgid, filename, split and "
                "sentences with raw or tokens"
            ) from None
        if split == "restval" and not restval:
            continue
        if image_id in captions:
            raise UserError(f"{path}, images[{i}]: image {image_id} stands twice")
        _check_texts(path, image, texts)
        images.append(image)
        captions[image_id], tokens[image_id] = texts, words
    if not images:
        raise UserError(f"{path}: no captions")
    return CaptionData(tuple(images), captions, tokens, str(path))


def read_folder(images_dir: str | Path, table: str | Path) -> CaptionData:
    """Read a folder of images and a CSV with one caption a row: file_name, caption[, split][, image_id].

    Without `split` an image falls into train, val or test (80, 10, 10 %) by a hash of its name; without `image_id` its
    id is a hash of its name: neither changes when other images come or go.
    """
    images_dir, table = Path(images_dir), Path(table)
    if not images_dir.is_dir():
        raise UserError(f"{images_dir}: no such folder of images")
    images: dict[str, Image] = {}
    captions: dict[int, tuple[str, ...]] = {}
    for line, row in _read_csv(table):
        name, caption = (row["file_name"] or "").strip(), (row["caption"] or "").strip()
        if not caption:
            raise UserError(f"{table}, line {line}: empty caption for '{name}'")
        image = _csv_image(table, line, name, row)
        if name not in images:
            if not (images_dir / name).is_file():
                raise UserError(f"{table}, line {line}: image '{name}' is not in {images_dir}")
            if image.image_id in captions:
                raise UserError(f"{table}, line {line}: image id {image.image_id} belongs to another file too")
            images[name] = image
        elif images[name] != image:
            raise UserError(f"{table}, line {line}: '{name}' has another split or image_id than in an earlier row")
        captions[image.image_id] = (*captions.get(image.image_id, ()), caption)
    return _tokenized(list(images.values()), captions, str(table))


def _tokenized(images: list[Image], captions: dict[int, tuple[str, ...]], source: str) -> CaptionData:
    if not images:
        raise UserError(f"{source}: no captions")
    return CaptionData(tuple(images), captions, tokens_of(captions), source)


def _check_texts(path: Path, image: Image, texts: tuple[str, ...]) -> None:
    if not texts:
        raise UserError(f"{path}: image {image.image_id} ({image.file_name}) has no caption; take it out")


def _read_coco_file(path: Path, split: str) -> list[tuple[Image, tuple[str, ...]]]:
    try:
        coco = _coco_index(path)
        licenses = {
            row["id"]: short_license(row.get("url", ""), row.get("name", ""))
            for row in coco.dataset.get("licenses") or ()
        }
        found = []
        for image_id, row in coco.imgs.items():
            image = Image(
                int(image_id), row["file_name"], split, licenses.get(row.get("license"), ""), row.get("flickr_url", "")
            )
            texts = tuple(annotation["caption"].strip() for annotation in coco.imgToAnns.get(image_id, ()))
            _check_texts(path, image, texts)
            found.append((image, texts))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"{path}: {_what(error)}; an image needs id and file_name, an annotation id, image_id and caption"
        ) from None
    return found


def _coco_index(path: Path) -> COCO:
    data = _load_json(path, "COCO caption file")
    images, annotations = _rows(path, data, "images"), _rows(path, data, "annotations")
    if not images or not annotations:
        raise UserError(f"{path}: no captions")
    coco = COCO()
    coco.dataset = data
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools reports its progress with print
        coco.createIndex()
    for annotation in annotations:
        if annotation["image_id"] not in coco.imgs:
            raise UserError(
                f"{path}: annotation {annotation['id']} is for image {annotation['image_id']}, which is "
                "unknown: not among the file's images; take it out or add the image"
            )
    if len(coco.imgs) < len(images):
        raise UserError(f"{path}: an image id stands twice among its images")
    return coco


def short_license(url: str, name: str) -> str:
    """ "CC BY-SA 2.0" for a Creative Commons address, else the licence's own name."""
    _, found, rest = url.partition("creativecommons.org/licenses/")
    return f"CC {' '.join(rest.strip('/').split('/')).upper()}" if found else name


def _load_json(path: Path, what: str) -> dict[str, Any]:
    raw = read_bytes(path, what, "check the path, or use the embedded data")
    try:
        data = json.loads(raw)
    except UnicodeDecodeError:
        raise UserError(f"{path}: not JSON (not UTF-8 text); expected a {what}") from None
    except json.JSONDecodeError as error:
        raise UserError(
            f"{path}, line {error.lineno}: not JSON ({error.msg} at column {error.colno}); expected a {what}"
        ) from None
    if not isinstance(data, dict):
        raise UserError(f"{path}: expected a {what}, a JSON object; found a {type(data).__name__}")
    return data


def _rows(path: Path, data: dict[str, Any], key: str) -> list[Any]:
    if not isinstance(data.get(key), list):
        raise UserError(f'{path}: has no list "{key}"; its keys are {", ".join(map(str, data)) or "none"}')
    return data[key]


def _what(error: Exception) -> str:
    return f"no {error}" if isinstance(error, KeyError) else str(error)


def _read_csv(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    raw = read_bytes(path, "CSV of captions", "it needs columns file_name,caption[,split][,image_id]")
    try:
        reader = csv.DictReader(io.StringIO(raw.decode("utf-8-sig"), newline=""))
        missing = {"file_name", "caption"} - set(reader.fieldnames or ())
        if missing:
            raise UserError(
                f"{path}, line 1: no column {' nor '.join(sorted(missing))}; columns are "
                "file_name,caption[,split][,image_id]"
            )
        for row in reader:
            yield reader.line_num, row
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: not a CSV file in UTF-8 ({error})") from None


def _csv_image(table: Path, line: int, name: str, row: Mapping[str, str]) -> Image:
    digest = hashlib.sha256(name.encode()).digest()
    split = (row.get("split") or "").strip() or {8: "val", 9: "test"}.get(digest[-1] % 10, "train")
    if split not in SPLITS:
        raise UserError(f"{table}, line {line}: split '{split}' is none of {', '.join(SPLITS)}")
    number = (row.get("image_id") or "").strip() or str(int.from_bytes(digest[:6]))
    if not number.isdecimal():
        raise UserError(f"{table}, line {line}: image_id '{number}' is not a whole number")
    return Image(int(number), name, split)
