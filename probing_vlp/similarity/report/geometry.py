"""The spaces themselves: matrices as images, maps, nearest neighbours, and words that images brought nearer or further.

Here a model has one layer, the one that was chosen most often against the experiential target (layers.py), under the
main condition; nothing of this is a score.  The effect of images on a word: Spearman between the word's distances to
all others and the target's, with images less without; its interval is over draws of the other words.
"""

import io
from collections.abc import Sequence
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np

from probing_vlp.pages.drawing import Drawing
from probing_vlp.pages.tables import Cell, Line, Table
from probing_vlp.pages.wording import interval, number
from probing_vlp.similarity.distances.rdms import Rdms, from_vectors
from probing_vlp.similarity.distances.readers import nearest_neighbours
from probing_vlp.similarity.distances.resampling import interval as percentiles
from probing_vlp.similarity.report.figures import matrix, spread_map, words_map
from probing_vlp.similarity.study.campaign import Findings
from probing_vlp.similarity.study.scoring import Space

NEIGHBOURS, TEN = 3, 10
SHOWN = 8
"""Words on either side of the table of effects."""
DRAWS = 500


class Effect(NamedTuple):
    """What images did to a word."""

    word: str
    value: float
    low: float
    high: float
    without: float
    """The correlation without images."""


def display(findings: Findings, space: Space) -> tuple[Rdms, str]:
    """The distances of a space in its display layer, alphabetical, and the layer."""
    wanted = reference(findings)
    layer = next(
        (
            panel.scored[space.key].consensus
            for panel in findings.panels
            if panel.target.name == wanted and space.key in panel.scored
        ),
        space.extracted.layers[-1],
    )
    words = sorted(space.extracted.words)
    return from_vectors(words, space.extracted.only(words).layer(layer).astype(np.float64)), layer


def reference(findings: Findings) -> str:
    """The target that layers are chosen for here: the experiential one, or the first."""
    return findings.experiential or findings.targets[0].name


def main_spaces(findings: Findings) -> list[Space]:
    """Trained models under the main condition."""
    return [space for space in findings.spaces if space.seed is None and space.condition == findings.condition]


def rdm_files(findings: Findings) -> dict[str, bytes]:
    """An npz a target, model and condition: what `similarity compare` reads."""
    files = {f"rdms/{target.name}.npz": _npz(target.rdms) for target in findings.targets}
    for space in findings.spaces:
        if space.seed is None:
            rdms, layer = display(findings, space)
            files[f"rdms/{_file(space.model)}-{_file(space.condition)}.npz"] = _npz(rdms, layer)
    return files


def pictures(findings: Findings) -> list[Drawing]:
    """Matrix and map of the experiential target and of every model, over the words that all of them know."""
    drawings = []
    named = {target.name: target.rdms.mean() for target in findings.targets if target.name == reference(findings)}
    named |= {space.model: display(findings, space)[0] for space in main_spaces(findings)}
    categories = dict(zip(findings.stimuli.words, findings.stimuli.categories, strict=False))
    names = list(dict.fromkeys(findings.stimuli.categories)) or [""]
    for name, rdms in named.items():
        words = sorted(rdms.words, key=lambda word: (names.index(categories.get(word, names[0])), word))
        groups = [categories.get(word, "") for word in words]
        square = rdms.take(words).get_matrices()[0]
        sizes = [(group, groups.count(group)) for group in dict.fromkeys(groups)]
        told = f"{len(words)} words"
        drawings.append(
            matrix(
                f"rdm-{_file(name)}",
                f"{name}: distances of {told}",
                "Rows and columns are words, sorted by category; dark pairs are near.",
                square,
                sizes,
            )
        )
        points = spread_map(square, findings.config.seed)
        drawings.append(
            words_map(
                f"map-{_file(name)}",
                f"{name}: map of {told}",
                "Near words have near places, as far as two dimensions allow.",
                points,
                groups,
                [group for group in names if group in groups],
            )
        )
    return drawings


def neighbours(findings: Findings) -> Table:
    """Nearest neighbours of ten words, in every model and in the experiential target, among words that all know."""
    spaces = {space.model: display(findings, space)[0] for space in main_spaces(findings)}
    target = next(one for one in findings.targets if one.name == reference(findings))
    spaces[target.name] = target.rdms.mean()
    shared = sorted(set.intersection(*(set(rdms.words) for rdms in spaces.values())))
    ten = [shared[i] for i in np.unique(np.linspace(0, len(shared) - 1, TEN).astype(int))]
    found = {name: nearest_neighbours(rdms.take(shared), ten, NEIGHBOURS) for name, rdms in spaces.items()}
    lines = tuple(Line(word, tuple(Cell(", ".join(found[name][word])) for name in found)) for word in ten)
    caption = f"The {NEIGHBOURS} nearest neighbours of ten words among the {len(shared)} that all models know"
    return Table("neighbours", caption, tuple(found), lines, wordy=True)


def effects(findings: Findings, model: str, counterpart: str) -> list[Effect]:
    """What images did to every word that both models and the experiential target have, best first."""
    spaces = {space.model: display(findings, space)[0] for space in main_spaces(findings)}
    target = next(one for one in findings.targets if one.name == reference(findings)).rdms.mean()
    if model not in spaces or counterpart not in spaces:
        return []
    words = sorted(set(spaces[model].words) & set(spaces[counterpart].words) & set(target.words))
    own, other, goal = (rdms.take(words).get_matrices()[0] for rdms in (spaces[model], spaces[counterpart], target))
    found = []
    for row, word in enumerate(words):
        rest = np.arange(len(words)) != row
        vectors = np.stack([own[row, rest], other[row, rest], goal[row, rest]])
        if (np.ptp(vectors, axis=1) == 0).any():
            continue
        generator = np.random.default_rng([findings.config.seed, crc32(word.encode())])
        picks = generator.integers(vectors.shape[1], size=(DRAWS, vectors.shape[1]))
        (value,), (base,) = _pairs(vectors[:, None])
        low, high, _ = percentiles(_pairs(vectors[:, picks])[0])
        found.append(Effect(word, value, low, high, base))
    return sorted(found, key=lambda effect: (-effect.value, effect.word))


def effects_table(found: Sequence[Effect], model: str, counterpart: str, target: str) -> Table:
    """The words at both ends."""
    ends = [*found[:SHOWN], *(one for one in found[-SHOWN:] if one not in found[:SHOWN])]
    lines = tuple(
        Line(one.word, (Cell(number(one.without)), Cell(number(one.value, True), interval(one.low, one.high, True))))
        for one in ends
    )
    return Table(
        f"words-{_file(model)}",
        f"Words that images helped most and hurt most: ρ of the word’s own distances with {target}, not adjusted",
        (counterpart, f"{model} less {counterpart}"),
        lines,
        f"{len(found)} words",
    )


def _pairs(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Correlations (draws,) with the target, of (3, draws, words): the first's less the second's, and the second's."""
    from scipy.stats import rankdata

    units = rankdata(vectors, axis=-1)
    units -= units.mean(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore"):
        units /= np.linalg.norm(units, axis=-1, keepdims=True)
    own, other = np.vecdot(units[0], units[2]), np.vecdot(units[1], units[2])
    return own - other, other


def _npz(rdms: Rdms, layer: str = "") -> bytes:
    packed = io.BytesIO()
    held = rdms.dissimilarities if rdms.n_rdm > 1 else rdms.dissimilarities[0]
    more: dict[str, Any] = {"participants": np.array(rdms.participants)} if rdms.n_rdm > 1 else {}
    np.savez(packed, words=np.array(rdms.words), rdm=held, layer=np.array(layer), **more)
    return packed.getvalue()


def _file(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name)
