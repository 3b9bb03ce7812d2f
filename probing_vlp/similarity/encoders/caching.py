"""Vectors of words by layer, and the file that holds them.

    NPZ   words (W), layers (L), vectors (W, L, D) float32, about: JSON

Files of the cache are called by a hash of everything that the vectors depend on: the encoder's identity (weights and
tokenizer), the seed of an untrained twin, pooling, and every sentence with its slot.  A file that is cut or foreign is
made again; a run that was killed goes on from the models that were done.
"""

import contextlib
import hashlib
import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from probing_vlp.errors import UserError, listed
from probing_vlp.files import atomic_write, cache_dir
from probing_vlp.similarity.words.templates import Filled

VERSION = 1
"""Of how vectors are made; another one makes every cached file anew."""


def default_cache() -> Path:
    """Where vectors are kept: similarity/ in the folder for what can be made again."""
    return cache_dir() / "similarity"


@dataclass(frozen=True)
class Extracted:
    """Vectors of words from one encoder.

    words: W, in the order that was asked for; layers: L names, the embeddings first; vectors: (L, W, D) float32, D
    being the widest layer and others filled with zeros, which no cosine sees; `info`: encoder, widths, what it was
    pooled over, `missing` (words that the encoder does not know: sentence by word).
    """

    model: str
    words: tuple[str, ...]
    layers: tuple[str, ...]
    vectors: np.ndarray
    trained: bool
    info: dict[str, Any] = field(default_factory=dict)

    def layer(self, name: str | int) -> np.ndarray:
        """(W, D) of one layer by its name, "first", "last", or its place (negative from the end); UserError if there
        is none."""
        return np.asarray(self.vectors[self.place(name)])

    def place(self, name: str | int) -> int:
        """Row of a layer."""
        text = str(name)
        if text in self.layers:
            return self.layers.index(text)
        named = {"first": 0, "last": len(self.layers) - 1}
        if text in named:
            return named[text]
        with contextlib.suppress(ValueError):
            if -len(self.layers) <= int(text) < len(self.layers):
                return int(text) % len(self.layers)
        raise UserError(f"{self.model}: no layer '{name}'; there are: {', '.join(self.layers)}")

    def only(self, words: Sequence[str]) -> "Extracted":
        """The same for these words, in this order; UserError that names those that are not there."""
        rows = {word: row for row, word in enumerate(self.words)}
        if lacking := [word for word in words if word not in rows]:
            raise UserError(f"{self.model}: no vectors for {listed(lacking)}")
        picked = self.vectors[:, [rows[word] for word in words]]
        return Extracted(self.model, tuple(words), self.layers, picked, self.trained, self.info)

    def to_bytes(self, layer: str | int | None = None) -> bytes:
        """An npz with all layers, vectors (W, L, D), or with one, (W, D)."""
        vectors = self.vectors.transpose(1, 0, 2) if layer is None else self.layer(layer)
        layers = self.layers if layer is None else (self.layers[self.place(layer)],)
        about = {"model": self.model, "trained": self.trained, **self.info}
        packed = io.BytesIO()
        np.savez(
            packed,
            words=np.array(self.words),
            layers=np.array(layers),
            vectors=np.ascontiguousarray(vectors),
            about=np.array(json.dumps(about, sort_keys=True)),
        )
        return packed.getvalue()

    @classmethod
    def from_file(cls, path: Path) -> "Extracted":
        """What `to_bytes` wrote; UserError for anything else."""
        try:
            with np.load(path, allow_pickle=False) as held:
                vectors, about = held["vectors"], json.loads(str(held["about"]))
                words, layers = (tuple(map(str, held[name].tolist())) for name in ("words", "layers"))
            vectors = (vectors[:, None] if vectors.ndim == 2 else vectors).transpose(1, 0, 2)
            if vectors.shape[:2] != (len(layers), len(words)):
                raise ValueError(f"vectors {vectors.shape}")
            model, trained = str(about.pop("model")), bool(about.pop("trained"))
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise UserError(
                f"{path}: not vectors of words by layer ({error}); make them with: probe.py similarity extract"
            ) from None
        return cls(model, words, layers, np.ascontiguousarray(vectors), trained, about)


def cache_path(folder: Path, identity: str, seed: int | None, pooling: str, filled: Sequence[Filled]) -> Path:
    """The file of these sentences under this encoder."""
    made_of = [VERSION, identity, seed, pooling, [list(one) for one in filled]]
    return folder / f"{hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:32]}.npz"


def read_cached(path: Path) -> Extracted | None:
    """What was kept, or nothing."""
    with contextlib.suppress(UserError):
        return Extracted.from_file(path)
    return None


def keep(path: Path, extracted: Extracted) -> None:
    """Write; a cache that cannot be written is no reason to stop."""
    with contextlib.suppress(OSError):
        atomic_write(path, extracted.to_bytes())
