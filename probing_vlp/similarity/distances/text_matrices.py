"""Similarities as text, words x words with spaces between, a participant a file: how the paper's fMRI data come."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from probing_vlp.errors import UserError
from probing_vlp.files import read_bytes
from probing_vlp.similarity.distances import rdms, tables
from probing_vlp.similarity.distances.rdms import Rdms

WORDS = "words.txt"
"""A list of the rows' names beside the matrices, a word a line."""


def read(path: Path, files: Sequence[Path], names: Sequence[str]) -> Rdms:
    """Distances, one matrix a file, of rows called `names` where a file has no header; `path` is what was asked for."""
    if not files:
        raise UserError(f"{path}: no text matrices there (*.txt)")
    stack: list[np.ndarray] = []
    words: tuple[str, ...] | None = None
    for file in files:
        own, matrix = _text_matrix(file, names)
        if words is not None and own != words:
            raise UserError(f"{file}: other words, or another order of them, than {files[0]}")
        words = own
        stack.append(rdms.from_matrix(own, matrix, similarity=True, source=str(file)).dissimilarities[0])
    assert words is not None
    return rdms.from_matrix(words, np.stack(stack), [file.stem for file in files], source=str(path))


def _text_matrix(path: Path, names: Sequence[str]) -> tuple[tuple[str, ...], np.ndarray]:
    try:
        lines = read_bytes(path, "text matrix", "see numpy.loadtxt").decode("utf-8-sig").splitlines()
        first = lines[0].lstrip("#").split() if lines else []
        header = bool(first) and any(tables.number(cell) is None for cell in first)
        matrix = np.loadtxt(lines[header:], ndmin=2) if lines[header:] else np.empty((0, 0))
    except (ValueError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a matrix of numbers with spaces between: {error}") from None
    if matrix.shape[0] != matrix.shape[1] or not matrix.size:
        raise UserError(f"{path}: not square: {matrix.shape[0]} rows, {matrix.shape[1]} columns")
    words = tuple(first) if header else tuple(names)
    if not words:
        raise UserError(f"{path}: its rows have no names; give them (--words FILE), or a first line of words")
    if len(words) != len(matrix):
        raise UserError(f"{path}: {len(matrix)} rows for {len(words)} words")
    return words, matrix
