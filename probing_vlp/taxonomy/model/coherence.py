"""Visual coherence: how alike the images under a label are to a frozen encoder.

    coherence(label) = mean over pairs i < j of cos(x_i, x_j) = (|z_1 + ... + z_n|^2 - n) / (n (n - 1)),  z = x / |x|

x_i is the mean over all tokens of an image's final features; the images are the TRAINING images whose leaves, under the
label map, have the hypernym.  Published means over 53 hypernyms (DINOv2 ViT-L/14 reg, THINGS): original 0.2736, within
0.2686, across 0.1187.  `coherence` is that; `centred` is the same after the mean vector of all images, each counted
once, is taken off: without it every pair of images is alike to an encoder that has a common direction.

Intervals are percentile bootstraps over the images of a label, and pairs of one image with its own copy do not count:
with w_i copies of image i, (|sum w_i z_i|^2 - sum w_i^2) / ((sum w_i)^2 - sum w_i^2).
"""

import csv
import io
import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from probing_vlp.errors import UserError, check_least
from probing_vlp.files import atomic_write, read_bytes

DRAWS = 1000
COLUMNS = ("coherence", "centred")


@dataclass(frozen=True)
class Coherence:
    """Of the n images of a label; (low, high) are 95 % intervals, NaN where there are too few images."""

    label: str
    n: int
    coherence: float
    interval: tuple[float, float]
    centred: float
    centred_interval: tuple[float, float]

    def row(self) -> dict[str, str]:
        """For CSV: columns label, n, coherence, coherence_low, coherence_high, centred, ...; NaN is empty.

        Intervals are drawn in single precision and have fewer digits.
        """
        values = zip(COLUMNS, (self.coherence, self.centred), (self.interval, self.centred_interval), strict=True)
        numbers = {
            key: number
            for name, value, (low, high) in values
            for key, number in ((name, f"{value:.12f}"), (f"{name}_low", f"{low:.6f}"), (f"{name}_high", f"{high:.6f}"))
        }
        shown = {key: "" if number == "nan" else number for key, number in numbers.items()}
        return {"label": self.label, "n": str(self.n), **shown}


def mean_cosine(units: np.ndarray) -> float:
    """Mean cosine over the pairs of n unit vectors (n, D); NaN for fewer than two."""
    n = len(units)
    return float((np.square(units.sum(0)).sum() - n) / (n * (n - 1))) if n > 1 else math.nan


def interval_of(units: np.ndarray, generator: np.random.Generator, draws: int = DRAWS) -> tuple[float, float]:
    """95 % percentile bootstrap interval of `mean_cosine`; NaN for fewer than three vectors."""
    n = len(units)
    if n < 3 or draws < 2:
        return math.nan, math.nan
    found = []
    single = units.astype(np.float32)  # six digits do for an interval, in half the time
    for start in range(0, draws, 100):
        copies = generator.multinomial(n, np.full(n, 1 / n), size=min(100, draws - start)).astype(np.float32)
        squares = np.square(copies).sum(1, dtype=np.float64)
        pairs = np.square(copies @ single).sum(1, dtype=np.float64) - squares
        found.append(pairs[squares < n * n] / (n * n - squares[squares < n * n]))
    low, high = np.quantile(np.concatenate(found), [0.025, 0.975])
    return float(low), float(high)


def unit(vectors: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Vectors (n, D) at length 1, float64; UserError naming the first that has no direction."""
    vectors = np.asarray(vectors, np.float64)
    lengths = np.linalg.norm(vectors, axis=1)
    bad = ~(np.isfinite(lengths) & (lengths > 0))
    if bad.any():
        raise UserError(f"{names[int(bad.argmax())]}: its vector is zero or not finite; it has no direction")
    return np.asarray(vectors / lengths[:, None])


def coherences(
    names: Sequence[str], vectors: np.ndarray, labels: Iterable[tuple[str, str]], draws: int = DRAWS, seed: int = 1
) -> list[Coherence]:
    """Coherence of every label, by name; `labels` are (name, label) pairs, one given twice counts once."""
    vectors = np.asarray(vectors, np.float64)
    whole = unit(vectors, names)
    centred = vectors - vectors.mean(0)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    centred = centred / np.where(lengths > 0, lengths, 1)  # the mean itself has no direction: all its cosines are 0
    place = {name: row for row, name in enumerate(names)}
    members: dict[str, set[int]] = {}
    for name, label in labels:
        members.setdefault(label, set()).add(place[name])
    found = []
    for label in sorted(members):
        rows = sorted(members[label], key=lambda row: names[row])
        generator = np.random.default_rng([seed, zlib.crc32(label.encode())])
        raw, middle = whole[rows], centred[rows]
        ends = interval_of(raw, generator, draws), interval_of(middle, generator, draws)
        found.append(Coherence(label, len(rows), mean_cosine(raw), ends[0], mean_cosine(middle), ends[1]))
    return found


def coherence_of_file(vectors: Path, labels: Path, draws: int = DRAWS, seed: int = 1) -> list[Coherence]:
    """Coherence from files alone: an .npz of `names` (N,) and `vectors` (N, D) or (N, T, D), whose T tokens are
    averaged, and a CSV of name,label with as many rows a name as it has labels.

    UserError for a file that is none of these, a name without a vector and a name that stands twice in the .npz.
    """
    names, found = _read_vectors(vectors)
    pairs = _read_labels(labels)
    if unknown := sorted({name for name, _ in pairs} - set(names)):
        raise UserError(f"{labels}: {len(unknown)} name(s) without a vector in {vectors}: {', '.join(unknown[:5])}")
    return coherences(names, found, pairs, draws, seed)


def _read_vectors(path: Path) -> tuple[list[str], np.ndarray]:
    data = read_bytes(path, "file of vectors", "give an .npz with names and vectors")
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            names, vectors = [str(name) for name in file["names"]], np.asarray(file["vectors"], np.float64)
    except KeyError as error:
        raise UserError(f"{path}: has no array {error.args[0].split()[0]}; it needs names and vectors") from None
    except Exception as error:  # numpy's and zip's errors are many
        raise UserError(f"{path}: not an .npz of names and vectors ({error})") from None
    vectors = vectors.mean(1) if vectors.ndim == 3 and vectors.shape[1] else vectors
    if vectors.ndim != 2 or len(vectors) != len(names):
        raise UserError(
            f"{path}: {len(names)} names, but vectors of shape {vectors.shape}; they must be (names, width)"
        )
    if twice := sorted({name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else ()):
        raise UserError(f"{path}: {twice[0]} stands there twice; give every image one vector")
    return names, vectors


def _read_labels(path: Path) -> list[tuple[str, str]]:
    data = read_bytes(path, "file of labels", "give a CSV of name,label")
    try:
        rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: not a CSV in UTF-8 ({error})") from None
    if not rows or not {"name", "label"} <= set(rows[0]):
        raise UserError(f"{path}, line 1: has no columns name and label; it has {', '.join(rows[0] if rows else [])}")
    columns = rows[0].index("name"), rows[0].index("label")
    for number, row in enumerate(rows[1:], 2):
        if row and (len(row) != len(rows[0]) or not all(row[column] for column in columns)):
            raise UserError(f"{path}, row {number}: needs a name and a label")
    pairs = [(row[columns[0]], row[columns[1]]) for row in rows[1:] if row]
    if not pairs:
        raise UserError(f"{path}: a header and no labels; nothing can be measured")
    return pairs


def write_coherences(path: Path, rows: Iterable[tuple[Mapping[str, object], Coherence]]) -> None:
    """A CSV of them, each behind columns of its own (map, seed ...)."""
    lines = [{**{key: str(value) for key, value in before.items()}, **found.row()} for before, found in rows]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(lines[0]) if lines else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    atomic_write(path, text.getvalue().encode())


@dataclass
class CoherenceConfig:
    """Coherence of any vectors under any labels."""

    vectors: Path = Path("vectors.npz")
    """An .npz with `names` (N,) and `vectors` (N, D), or (N, T, D) whose tokens are averaged."""
    labels: Path = Path("labels.csv")
    """A CSV of name,label; a name may have several rows."""
    out: Path | None = None
    """CSV file for the figures."""
    draws: int = DRAWS
    """Bootstrap draws of the intervals."""
    seed: int = 1
    """Of those draws."""


def run(config: CoherenceConfig) -> None:
    """Print the coherence of every label and their mean; write them if asked to."""
    check_least(config, 2, "draws")
    check_least(config, 0, "seed")
    found = coherence_of_file(config.vectors, config.labels, config.draws, config.seed)
    print(f"{'label':<28} {'n':>6}  {'coherence':<26} centred")
    for each in found:
        print(f"{each.label:<28} {each.n:>6}  {_said(each.coherence, each.interval):<26} "
              f"{_said(each.centred, each.centred_interval)}")  # fmt: skip
    counted = [each for each in found if each.n > 1]
    if counted:
        means = [float(np.mean([getattr(each, key) for each in counted])) for key in COLUMNS]
        print(f"mean of {len(counted)} labels: coherence {means[0]:.4f}, centred {means[1]:.4f}")
    if config.out:
        write_coherences(config.out, [({}, each) for each in found])


def _said(value: float, ends: tuple[float, float]) -> str:
    span = "" if math.isnan(ends[0]) else f" [{ends[0]:.4f}, {ends[1]:.4f}]"
    return "" if math.isnan(value) else f"{value:.4f}{span}"
