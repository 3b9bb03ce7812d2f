"""Any file with words in it: embeddings, ratings, distances, similarities, categories; rows always have names.

.npz           `words` and one of `vectors` (words, width), or (words, layers, width) with a layer chosen as FILE:LAYER;
               `rdm`, distances, or `similarity`: (words, words), (pairs,), or a stack with participants in front of
               either, named by `participants` if that is there.  Nothing pickled is opened.
.csv .tsv .xlsx  ratings: a column of words (named, or called `word`, or the first) and columns of numbers; or a
               similarity matrix, where the numeric columns are called as the words; or categories, as FILE:COLUMN:
               distance 0 within a category and 1 between two.
.txt           a matrix of similarities, as `numpy.loadtxt` reads it; a folder or a pattern (`*`) of such files is a
               stack of participants.  Names: a first line of words, a list given beside it, or the folder's words.txt.
.h5 .hdf5      what rsatoolbox's `RDMs.save` wrote: distances; names from the pattern descriptor `word`, or from the
               only one that holds text.

Similarities s become distances 1 - s.  Distances between vectors and ratings are made later, after the join by word
(39,707 words have 788 million pairs).
"""

from __future__ import annotations

import glob
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from probing_vlp.errors import UserError
from probing_vlp.files import read_bytes
from probing_vlp.similarity.distances import rdms, tables, text_matrices
from probing_vlp.similarity.distances.rdms import Rdms, some


@dataclass(frozen=True)
class Labelled:
    """Rows with names: vectors (words, width) or distances, and what was noticed while reading them."""

    words: tuple[str, ...]
    vectors: np.ndarray | None = None
    rdms: Rdms | None = None
    source: str = ""
    kind: str = "embeddings"
    columns: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    """Columns of text, which are not ratings."""
    dropped: tuple[str, ...] = ()
    """Columns left out because the caller said so."""
    notes: tuple[str, ...] = ()

    @cached_property
    def positions(self) -> dict[str, int]:
        """Row of each word."""
        return {word: row for row, word in enumerate(self.words)}

    def take(self, words: Sequence[str]) -> Labelled:
        """These words only, in this order."""
        if lacking := [word for word in words if word not in self.positions]:
            raise UserError(f"{self.source}: has no {some(lacking)}")
        if self.rdms is not None:
            return replace(self, words=tuple(words), rdms=self.rdms.take(words))
        assert self.vectors is not None
        return replace(self, words=tuple(words), vectors=self.vectors[[self.positions[word] for word in words]])

    def distances(self, metric: str = "cosine") -> Rdms:
        """The matrix (or matrices of participants); `metric` is for vectors."""
        if self.rdms is not None:
            return self.rdms
        assert self.vectors is not None
        return rdms.from_vectors(self.words, self.vectors, metric, self.source)


@dataclass(frozen=True)
class Reading:
    """How a file is to be read."""

    word_column: str | None = None
    drop: Sequence[str] = ()
    """Columns of numbers that are no ratings; ones that a file does not have are passed over."""
    names: Sequence[str] | None = None
    """Names of the rows of text matrices that have no header."""
    part: str | None = None
    """A layer of embeddings, or a column of categories: what stands behind the colon in FILE:PART."""


def read_any(
    path: str | Path,
    word_column: str | None = None,
    drop: Sequence[str] = (),
    names: Sequence[str] | None = None,
) -> Labelled:
    """Read a file by its extension (see the module); `path` may be FILE:PART.  UserError, one line, for bad input."""
    given = str(path)
    part = None
    if not Path(given).exists() and ":" in given and Path(given.rpartition(":")[0]).is_file():
        given, _, part = given.rpartition(":")
    how = Reading(word_column, drop, names, part)
    place = Path(given)
    if "*" in place.name and not place.exists():
        found = sorted(Path(match) for match in glob.glob(given))
        return _text(place, [file for file in found if file.name != text_matrices.WORDS], how)
    if place.is_dir():
        files = sorted(file for file in place.glob("*.txt") if file.name != text_matrices.WORDS)
        return _text(place, files, how)
    if place.suffix.lower() not in READERS:
        known = ", ".join(READERS)
        raise UserError(f"{given}: unknown kind of file '{place.suffix}'; known: {known}, or a folder of .txt matrices")
    if not place.exists():
        raise UserError(f"{given}: no such file")
    return READERS[place.suffix.lower()](place, how)


def read_words(path: Path, word_column: str | None = None) -> tuple[str, ...]:
    """A list of words: a table's column of words, or a text file with a word a line."""
    if path.suffix.lower() in (".csv", ".tsv", ".xlsx"):
        table = tables.read_table(path)
        words: Sequence[str] = table.column(table.word_place(word_column))
    else:
        try:
            lines = read_bytes(path, "list of words", "give a word a line").decode("utf-8-sig").splitlines()
        except UnicodeDecodeError:
            raise UserError(f"{path}: is not text in UTF-8") from None
        words = [line.strip() for line in lines if line.strip()]
    rdms.check_words(words, str(path))
    return tuple(words)


def nearest_neighbours(given: Rdms | Labelled, words: Sequence[str], k: int = 3) -> dict[str, list[str]]:
    """The k nearest words of each of these, nearest first, in the mean of the participants; ties in the order of words.

    For the eye: rows that have lost their names have nonsense for neighbours.
    """
    group = given.distances() if isinstance(given, Labelled) else given
    n, rows = group.n_cond, np.arange(group.n_cond)
    nearest = {}
    for word in words:
        row = group.positions[word]
        low, high = np.minimum(rows, row), np.maximum(rows, row)
        at = low * (2 * n - low - 1) // 2 + high - low - 1
        distances = np.where(rows == row, np.inf, group.group[np.where(rows == row, 0, at)])
        nearest[word] = [group.words[near] for near in np.argsort(distances, kind="stable")[:k]]
    return nearest


def _npz(path: Path, how: Reading) -> Labelled:
    where = str(path)
    try:
        loaded = np.load(path, allow_pickle=False)
        if not isinstance(loaded, np.lib.npyio.NpzFile):
            raise UserError(f"{where}: holds one array without names; save `words` beside it (numpy.savez)")
        with loaded as file:
            arrays = {name: file[name] for name in file.files if name in NPZ_KEYS}
            names = list(file.files)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        pickled = "pickle" in str(error).lower() or "object array" in str(error).lower()
        reason = "it is pickled, or not an npz; save arrays of text and numbers" if pickled else str(error)
        raise UserError(f"{where}: cannot be opened as an npz: {reason}") from None
    kinds = [name for name in ("vectors", "rdm", "similarity") if name in arrays]
    if "words" not in arrays or len(kinds) != 1:
        raise UserError(f"{where}: needs `words` and one of `vectors`, `rdm`, `similarity`; it has {some(names)}")
    words = _names(arrays["words"], f"{where}: `words`")
    values = arrays[kinds[0]]
    if values.dtype.kind not in "fiub":
        raise UserError(f"{where}: `{kinds[0]}` holds {values.dtype}, not numbers")
    if kinds[0] == "vectors":
        vectors = _layer(values, words, arrays.get("layers"), how.part, where)
        rdms.check_words(words, where)
        return Labelled(words, vectors=vectors, source=where)
    people = _names(arrays["participants"], f"{where}: `participants`") if "participants" in arrays else ()
    found = rdms.from_matrix(words, values, people, kinds[0] == "similarity", where)
    return _matrices(found, "distances" if kinds[0] == "rdm" else "similarities")


NPZ_KEYS = ("words", "vectors", "layers", "rdm", "similarity", "participants")


def _layer(
    vectors: np.ndarray, words: Sequence[str], layers: np.ndarray | None, part: str | None, where: str
) -> np.ndarray:
    if vectors.ndim == 2 and part is None:
        return vectors
    if vectors.ndim != 3 or vectors.shape[0] != len(words):
        raise UserError(
            f"{where}: `vectors` of shape {vectors.shape} for {len(words)} words, expected (words, width) or "
            "(words, layers, width)"
        )
    named = [str(name) for name in layers.tolist()] if layers is not None else list(map(str, range(vectors.shape[1])))
    if part is None and len(named) == 1:
        return vectors[:, 0]
    if part not in named or len(named) != vectors.shape[1]:
        raise UserError(f"{where}: choose one of its layers, as {where}:LAYER; it has {', '.join(named)}")
    return vectors[:, named.index(part)]


def _names(words: np.ndarray, what: str) -> tuple[str, ...]:
    if words.ndim != 1 or words.dtype.kind not in "US":
        raise UserError(f"{what} must be a list of text, not {words.dtype} of shape {words.shape}")
    try:
        return tuple(word.decode() if isinstance(word, bytes) else word for word in words.tolist())
    except UnicodeDecodeError:
        raise UserError(f"{what} is not in UTF-8") from None


def _table(path: Path, how: Reading) -> Labelled:
    table = tables.read_table(path)
    place = table.word_place(how.word_column)
    words = table.column(place)
    rdms.check_words(words, str(path))
    if how.part is not None:
        found = rdms.from_categories(words, table.column(table.place(how.part)), str(path))
        return Labelled(words, rdms=found, source=str(path), kind="categories", columns=(how.part,))
    dropped = tuple(title for title in table.header if title in how.drop)
    columns, numbers, text = tables.numeric(table, place, how.drop)
    if not columns:
        hint = f"; for categories write {path}:{text[0]}" if text else ""
        raise UserError(f"{path}: has no column of numbers{hint}")
    shared = set(columns) & set(words)
    if shared and len(shared) * 2 > min(len(columns), len(words)):
        if odd := sorted(set(columns) ^ set(words)):
            raise UserError(f"{path}: rows and columns of the matrix have other words: {some(odd)}")
        order = [columns.index(word) for word in words]
        return _matrices(
            rdms.from_matrix(words, numbers[:, order], similarity=True, source=str(path)), "similarities", text
        )
    return Labelled(
        words, vectors=numbers, source=str(path), kind="ratings", columns=columns, left_out=text, dropped=dropped
    )


def _text(path: Path, files: Sequence[Path], how: Reading) -> Labelled:
    beside = path / text_matrices.WORDS if path.is_dir() else path.parent / text_matrices.WORDS
    names = how.names or (read_words(beside) if beside.is_file() else ())
    return _matrices(text_matrices.read(path, files, names), "similarities")


def _hdf5(path: Path, how: Reading) -> Labelled:
    from rsatoolbox.rdm import load_rdm

    where = str(path)
    try:
        loaded: Any = load_rdm(where, file_type="hdf5")
        patterns = {name: np.asarray(values) for name, values in loaded.pattern_descriptors.items()}
    except (OSError, KeyError, ValueError, TypeError, AttributeError, AssertionError) as error:
        raise UserError(f"{where}: not an HDF5 file of rsatoolbox RDMs ({error})") from None
    text = [name for name, values in patterns.items() if values.dtype.kind in "USO"]
    name = how.word_column or ("word" if "word" in patterns else text[0] if len(text) == 1 else None)
    if name not in patterns:
        raise UserError(
            f"{where}: which pattern descriptor has the words? It has {some(list(patterns))}; give --word-column"
        )
    words = tuple(word.decode() if isinstance(word, bytes) else str(word) for word in patterns[name].tolist())
    named = next((loaded.rdm_descriptors[key] for key in PEOPLE if key in loaded.rdm_descriptors), ())
    people = tuple(str(one) for one in named)
    return _matrices(rdms.from_matrix(words, loaded.dissimilarities, people, source=where), "distances")


PEOPLE = ("participant", "subject", "session")


def _matrices(found: Rdms, kind: str, left_out: tuple[str, ...] = ()) -> Labelled:
    """With a note on participants whose matrices are the same: a list that names somebody twice."""
    seen: dict[bytes, str] = {}
    same = [(seen[key], name) for name, key in _keys(found) if seen.setdefault(key, name) != name]
    notes = tuple(f"participants '{one}' and '{other}' have the same matrix" for one, other in same[:5])
    return Labelled(found.words, rdms=found, source=found.source, kind=kind, left_out=left_out, notes=notes)


def _keys(found: Rdms) -> list[tuple[str, bytes]]:
    return [(name, row.tobytes()) for name, row in zip(found.participants, found.dissimilarities, strict=True)]


READERS: dict[str, Callable[[Path, Reading], Labelled]] = {
    ".npz": _npz,
    ".csv": _table,
    ".tsv": _table,
    ".xlsx": _table,
    ".txt": lambda path, how: _text(path, [path], how),
    ".h5": _hdf5,
    ".hdf5": _hdf5,
}
