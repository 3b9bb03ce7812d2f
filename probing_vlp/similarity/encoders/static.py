"""One vector a word, whatever the sentence: word2vec's and GloVe's text files, or an npz of `words` and `vectors`.

A text file has a word and its numbers a line, spaces between; word2vec's begins with a line of two counts.  A word is
looked for as it is spelt, in lower case, with "_" for spaces; a phrase that is not there is the mean of its words.
Such vectors have no architecture, so there is no untrained twin.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from probing_vlp.errors import UserError
from probing_vlp.files import read_bytes
from probing_vlp.similarity.encoders.base import Tokens, files_identity
from probing_vlp.similarity.words.templates import Filled

REMEDY = "give a text file of vectors (word2vec, GloVe) or an npz with words and vectors"


class StaticVectors:
    """Vectors from a file; only those that are asked for are kept."""

    has_twin: ClassVar[bool] = False
    layers = ("vectors",)
    name = "static"

    def __init__(self, checkpoint: str, untrained_seed: int | None = None, device: str = "cpu") -> None:
        if not checkpoint:
            raise UserError(f"encoder 'static': which vectors? write static:FILE; {REMEDY}")
        self.path, self.seed = Path(checkpoint), untrained_seed
        self._ids: dict[str, int] = {}
        self._rows: list[np.ndarray] = []

    @cached_property
    def identity(self) -> str:
        """A hash of the file."""
        self._check()
        return files_identity([self.path])

    @property
    def about(self) -> dict[str, Any]:
        """How many words there are."""
        return {"architecture": "static vectors", "words": len(self._places)}

    def tokens(self, filled: Filled) -> Tokens:
        """The word alone: one token, or one for each of its words."""
        found = self._find(filled.word)
        if found is None:
            parts = [self._find(part) for part in filled.word.replace("-", " ").replace("_", " ").split()]
            known = [part for part in parts if part is not None]
            return Tokens(tuple(known), tuple(range(len(known))), len(known) < len(parts) or not known)
        return Tokens((found,), (0,))

    def states(self, rows: np.ndarray) -> Sequence[torch.Tensor]:
        """One tensor (B, T, D)."""
        return [torch.from_numpy(np.stack(self._rows)[rows])]

    def _find(self, word: str) -> int | None:
        for form in dict.fromkeys((word, word.replace(" ", "_"), word.lower(), word.lower().replace(" ", "_"))):
            if form in self._places:
                if form not in self._ids:
                    self._ids[form] = len(self._rows)
                    self._rows.append(self._vector(form))
                return self._ids[form]
        return None

    def _vector(self, word: str) -> np.ndarray:
        if self._array is not None:
            return np.asarray(self._array[self._places[word]], np.float32)
        with open(self.path, "rb") as file:
            file.seek(self._places[word])
            fields = file.readline().split()
        try:
            row = np.array(fields[1:], np.float32)
        except ValueError:
            raise UserError(f"{self.path}: the line of '{word}' holds what is no number; {REMEDY}") from None
        if (self._rows and len(row) != len(self._rows[0])) or not np.isfinite(row).all() or not len(row):
            width = len(self._rows[0]) if self._rows else "one or more"
            raise UserError(f"{self.path}: '{word}' has {len(row)} numbers, {width} are needed, all of them finite")
        return row

    @cached_property
    def _npz(self) -> tuple[list[str], np.ndarray] | None:
        self._check()
        if self.path.suffix != ".npz":
            return None
        try:
            with np.load(self.path, allow_pickle=False) as held:
                words, vectors = [str(word) for word in held["words"]], held["vectors"]
        except (OSError, KeyError, ValueError) as error:
            raise UserError(f"{self.path}: not an npz of words and vectors ({error}); {REMEDY}") from None
        if vectors.ndim != 2 or len(words) != len(vectors):
            raise UserError(f"{self.path}: {len(words)} words, vectors {vectors.shape}; (words, units) is needed")
        return words, vectors

    @property
    def _array(self) -> np.ndarray | None:
        return self._npz[1] if self._npz else None

    @cached_property
    def _places(self) -> dict[str, int]:
        """Row of the array, or byte of the line, of every word; the first where one stands twice."""
        found: dict[str, int] = {}
        pairs = ((word, row) for row, word in enumerate(self._npz[0])) if self._npz else self._lines()
        for word, place in pairs:
            found.setdefault(word, place)
        if not found:
            raise UserError(f"{self.path}: holds no vectors; {REMEDY}")
        return found

    def _lines(self) -> Iterator[tuple[str, int]]:
        place = 0
        with open(self.path, "rb") as file:
            for number, line in enumerate(file):
                fields = line.split(maxsplit=2)
                header = number == 0 and len(fields) == 2 and all(field.isdigit() for field in fields)
                if len(fields) > 1 and not header:
                    yield fields[0].decode("utf-8", "replace"), place
                place += len(line)

    def _check(self) -> None:
        if not self.path.is_file():
            read_bytes(self.path, "file of vectors", REMEDY)
        if self.path.suffix in (".bin", ".gz", ".zip"):
            raise UserError(f"{self.path}: packed or binary vectors are not read; {REMEDY}")
