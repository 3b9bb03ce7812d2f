"""What an encoder of words has to do; B sentences of one length, T tokens, L layers, D units.

A class of one's own is made as `Class(checkpoint, untrained_seed=None, device="cpu", **options)`; `checkpoint` is what
stands after the family's name, or "".
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np

from probing_vlp.files import sha256_file
from probing_vlp.similarity.words.templates import Filled


class Tokens(NamedTuple):
    """A sentence as an encoder reads it: all ids, special ones too, and the positions of the word's own tokens.

    `unknown`: one of those stands for any unknown word, so that the word has no vector of its own.
    """

    ids: tuple[int, ...]
    slot: tuple[int, ...]
    unknown: bool = False


class Encoder(Protocol):
    """Text in, hidden states out."""

    has_twin: ClassVar[bool] = True
    name: str
    seed: int | None
    """Of an untrained twin's weights; None: they are trained."""

    @property
    def identity(self) -> str:
        """What vectors depend on besides text: a hash of the weights, or a hub id and its revision."""

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers, the embeddings first."""

    @property
    def about(self) -> dict[str, Any]:
        """What a reader should know: class, widths, notes.  JSON."""

    def tokens(self, filled: Filled) -> Tokens:
        """The tokens of a sentence, and which of them are the word's."""

    def states(self, rows: np.ndarray) -> Sequence[Any]:
        """L float32 tensors (B, T, D of the layer) of token ids (B, T); no row is padded."""


def overlapping(offsets: Iterable[tuple[int, int]], text: str, start: int, end: int) -> tuple[int, ...]:
    """Which tokens share a character with text[start:end].

    Spaces at a token's edge do not count (" dog" is a token of byte-level tokenizers), nor do tokens of no character
    (the special ones).  The paper keeps tokens that lie wholly inside: the same for all its tokenizers.
    """
    found = []
    for position, (first, last) in enumerate(offsets):
        token = text[first:last]
        first += len(token) - len(token.lstrip())
        last = first + len(token.strip())
        if max(first, start) < min(last, end):
            found.append(position)
    return tuple(found)


def files_identity(files: Iterable[Path]) -> str:
    """SHA-256 over names and contents, whatever the order."""
    lines = sorted(f"{path.name} {_digest(path, path.stat().st_mtime_ns, path.stat().st_size)}" for path in files)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


_known: dict[tuple[str, int, int], str] = {}


def _digest(path: Path, changed: int, size: int) -> str:
    """Read once a process: conditions and twins ask again for the same gigabytes."""
    key = (str(path.resolve()), changed, size)
    if key not in _known:
        _known[key] = sha256_file(path)
    return _known[key]
