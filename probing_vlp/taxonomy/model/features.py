"""Features of images on disk, each image encoded once, whatever list it stands in and whatever it is called.

    FOLDER/KEY/                   KEY: fingerprint of the encoder's weights, its preprocessing and its tokens
      CHUNK.tokens.npy            (n, T, D) float16, n images at most `CHUNK`
      CHUNK.pooled.npy            (n, P) float32
      CHUNK.json                  SHA-256 of the n image files; written last, so a chunk is whole or not there

An image is known by the bytes of its file.  A run that was killed goes on with what is missing; a list with more images
encodes those alone.  `Table` maps the names of one list to rows, which are read from memory maps as they are asked for.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from probing_vlp.data.extract import exact_arithmetic, load_batches
from probing_vlp.errors import UserError
from probing_vlp.files import atomic_write, read_bytes, sha256_file
from probing_vlp.records import Pixels
from probing_vlp.taxonomy.model.encoders import Encoder

CHUNK = 256
REMEDY = "run the same command again: what is missing is made"


@dataclass(frozen=True)
class Table:
    """Features by image name: `rows` are (chunk, row) of each."""

    folder: Path
    encoder: str
    key: str
    rows: Mapping[str, tuple[str, int]]

    @classmethod
    def open(cls, path: Path) -> "Table":
        """What `save` wrote; UserError for anything else."""
        try:
            said = json.loads(read_bytes(path, "table of features", REMEDY))
            rows = {name: (str(chunk), int(row)) for name, (chunk, row) in said["rows"].items()}
            return cls(Path(said["folder"]), said["encoder"], said["key"], rows)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{path}: not a table of features ({error!r}); remove it and {REMEDY}") from None

    def save(self, path: Path) -> None:
        """Write which image is where."""
        said = {"folder": str(self.folder), "encoder": self.encoder, "key": self.key, "rows": self.rows}
        atomic_write(path, json.dumps(said, sort_keys=True).encode())

    @cached_property
    def _maps(self) -> dict[str, dict[str, np.ndarray]]:
        chunks = sorted({chunk for chunk, _ in self.rows.values()})
        return {part: {chunk: _map(self.folder / f"{chunk}.{part}.npy") for chunk in chunks}
                for part in ("tokens", "pooled")}  # fmt: skip

    def _read(self, part: str, names: Sequence[str]) -> np.ndarray:
        arrays = self._maps[part]
        return np.stack([arrays[chunk][row] for chunk, row in map(self.rows.__getitem__, names)]).astype(np.float32)

    def tokens(self, names: Sequence[str]) -> np.ndarray:
        """(n, T, D) float32 of the images of these names."""
        return self._read("tokens", names)

    def pooled(self, names: Sequence[str]) -> np.ndarray:
        """(n, P) float32 of the images of these names."""
        return self._read("pooled", names)

    @cached_property
    def shape(self) -> tuple[int, int]:
        """Tokens and width of an image."""
        tokens, width = self.tokens([next(iter(self.rows))]).shape[1:]
        return int(tokens), int(width)

    def moments(self, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation (D,) float32 of the tokens of these images, channel by channel."""
        total, squares, count = np.zeros(self.shape[1]), np.zeros(self.shape[1]), 0
        for start in range(0, len(names), CHUNK):
            tokens = self.tokens(names[start : start + CHUNK]).reshape(-1, self.shape[1])
            total += tokens.sum(0, dtype=np.float64)
            squares += np.einsum("nd,nd->d", tokens, tokens, dtype=np.float64)
            count += len(tokens)
        mean = total / count
        return mean.astype(np.float32), np.sqrt(np.maximum(squares / count - mean**2, 1e-12)).astype(np.float32)


def _map(path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{path}: not a whole .npy file ({error}); remove its .json and {REMEDY}") from None


def key_of(encoder: Encoder) -> str:
    """What the features of an encoder are kept under: its weights, preprocessing and choice of tokens."""
    said = json.dumps([encoder.weights, sorted(encoder.details.items())])
    return hashlib.sha256(said.encode()).hexdigest()[:24]


def encode_images(
    images: Mapping[str, Path], encoder: Encoder, folder: Path, batch_size: int = 4, workers: int = 2, bar: bool = True
) -> Table:
    """The table of these images by name; what `folder` has not got yet is encoded.

    UserError naming the first image that is missing, cut, or has features that are not finite.
    """
    key = key_of(encoder)
    place = folder / key
    digests = {name: _digest(path) for name, path in sorted(images.items())}
    known = _known(place)
    todo = {digests[name]: path for name, path in images.items() if digests[name] not in known}
    order = sorted(todo)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, disable=not (bar and order)) as progress:
        task = progress.add_task(encoder.name, total=len(images), completed=len(images) - len(order))
        for start in range(0, len(order), CHUNK):
            chunk = order[start : start + CHUNK]
            _encode_chunk([todo[digest] for digest in chunk], chunk, encoder, place, batch_size, workers)
            progress.advance(task, len(chunk))
    if order and key_of(encoder) != key:
        raise RuntimeError("the weights of the frozen image encoder changed while it encoded")
    known = _known(place)
    return Table(place, encoder.name, key, {name: known[digest] for name, digest in digests.items()})


def _digest(path: Path) -> str:
    try:
        return sha256_file(path)
    except OSError as error:
        raise UserError(f"{path}: no such image ({error.strerror})") from None


def _known(place: Path) -> dict[str, tuple[str, int]]:
    """Chunk and row of every image in the cache."""
    known: dict[str, tuple[str, int]] = {}
    for path in sorted(place.glob("*.json")):
        try:
            digests = [str(digest) for digest in json.loads(path.read_bytes())]
        except ValueError:
            raise UserError(f"{path}: not a list of image hashes; remove it and {REMEDY}") from None
        known |= {digest: (path.stem, row) for row, digest in enumerate(digests)}
    return known


def _encode_chunk(
    paths: Sequence[Path], digests: Sequence[str], encoder: Encoder, place: Path, batch_size: int, workers: int
) -> None:
    pixels = [Pixels(number, path) for number, path in enumerate(paths)]
    with exact_arithmetic():
        found = [encoder.encode(batch) for batch in load_batches(pixels, encoder.preprocess, batch_size, workers)]
    tokens, pooled = torch.cat([part for part, _ in found]).numpy(), torch.cat([part for _, part in found]).numpy()
    with np.errstate(over="ignore"):
        stored = tokens.astype(np.float16)
    bad = ~(np.isfinite(stored).all((1, 2)) & np.isfinite(pooled).all(1))
    if bad.any():
        raise UserError(
            f"{paths[int(bad.argmax())]}: its features are not finite in float16; check the encoder's weights"
        )
    name = hashlib.sha256("".join(digests).encode()).hexdigest()[:16]
    for part, array in (("tokens", stored), ("pooled", pooled)):
        atomic_write(place / f"{name}.{part}.npy", _as_npy(array))
    atomic_write(place / f"{name}.json", json.dumps(list(digests)).encode())


def _as_npy(array: np.ndarray) -> bytes:
    import io

    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()
