"""The kinds of charts: bars with a noise ceiling, lines over conditions or layers, matrices, maps of words.

Each is one panel, 340 units wide.  Colour and marker are a model's place among the models; what is untrained is hollow
or a band of the same colour.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from probing_vlp.pages.drawing import Drawing, Palette
from probing_vlp.pages.wording import number

WIDTH = 340
MARKERS = "osD^vPX*"


class Bar(NamedTuple):
    """A value with its interval; `series` is the model's place, `hollow` what is untrained."""

    label: str
    series: int
    value: float
    low: float | None = None
    high: float | None = None
    hollow: bool = False


class Course(NamedTuple):
    """Values over conditions or layers; the interval, or the range of the untrained seeds, may be missing."""

    label: str
    series: int
    values: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    hollow: bool = False


def bars(
    key: str, title: str, description: str, shown: Sequence[Bar], ceiling: tuple[float, float] | None = None
) -> Drawing:
    """Bars from zero, one below the other, each with its interval; the noise ceiling is a grey band."""

    def draw(palette: Palette) -> Figure:
        height = 34 + 30 * len(shown)
        figure = _figure(height)
        axes = figure.add_axes((0.02, 22 / height, 0.96, 1 - 24 / height), facecolor="none")
        if ceiling is not None:
            axes.axvspan(*ceiling, color=palette.grid, alpha=0.8, linewidth=0)
        axes.axvline(0, color=palette.muted, linewidth=1)
        line = axes.get_yaxis_transform()
        for place, bar in enumerate(shown):
            colour = palette.series[bar.series % len(palette.series)]
            face = "none" if bar.hollow else colour
            axes.barh(-place, bar.value, 0.36, facecolor=face, edgecolor=colour, linewidth=1.4)
            if bar.low is not None and bar.high is not None:
                axes.plot([bar.low, bar.high], [-place, -place], color=palette.ink, linewidth=1.4)
            axes.text(0.0, -place + 0.24, bar.label, transform=line, fontsize=11, va="bottom")
            axes.text(1.0, -place + 0.24, number(bar.value), transform=line, fontsize=11, va="bottom", ha="right")
        axes.set_ylim(-len(shown) + 0.6, 0.85)
        axes.yaxis.set_visible(False)
        axes.spines["left"].set_visible(False)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.tick_params(labelsize=11, length=3)
        return figure

    return Drawing(key, title, description, draw)


def courses(
    key: str, title: str, description: str, shown: Sequence[Course], ticks: Sequence[str] = (), xlabel: str = ""
) -> Drawing:
    """Lines: a marker a value, its interval as a bar; hollow ones dashed, their range as a band."""

    def draw(palette: Palette) -> Figure:
        figure = _figure(210)
        axes = figure.add_axes((0.13, 0.2, 0.84, 0.77), facecolor="none")
        axes.grid(axis="y", color=palette.grid, linewidth=0.8)
        axes.axhline(0, color=palette.muted, linewidth=1)
        for place, course in enumerate(shown):
            shift = (place - (len(shown) - 1) / 2) * 0.035 if ticks else 0.0
            _course(axes, course, shift, bool(ticks), palette)
        if ticks:
            axes.set_xticks(range(len(ticks)), [tick.replace("-like", "-\nlike", 1) for tick in ticks])
            axes.set_xlim(-0.35, len(ticks) - 0.65)
        else:
            axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.set_xlabel(xlabel, fontsize=11)
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.tick_params(labelsize=10, length=0)
        return figure

    return Drawing(key, title, description, draw)


def _course(axes: Axes, course: Course, shift: float, separate: bool, palette: Palette) -> None:
    colour = palette.series[course.series % len(palette.series)]
    steps = len(course.values)
    # layers are shown by depth, since models differ in how many they have
    x = np.arange(steps) + shift if separate else np.linspace(0, 1, steps) if steps > 1 else np.array([0.5])
    style: dict[str, Any] = {"linestyle": (0, (3, 3))} if course.hollow else {}
    axes.plot(
        x,
        course.values,
        color=colour,
        linewidth=1.4 if course.hollow else 1.8,
        marker=MARKERS[course.series % len(MARKERS)],
        markersize=5,
        markerfacecolor="none" if course.hollow else colour,
        **style,
    )
    if not course.low:
        return
    if separate:
        axes.vlines(x, course.low, course.high, color=colour, linewidth=1.2, alpha=0.7)
    else:
        axes.fill_between(x, course.low, course.high, color=colour, alpha=0.18, linewidth=0)


def matrix(key: str, title: str, description: str, distances: np.ndarray, groups: Sequence[tuple[str, int]]) -> Drawing:
    """A distance matrix (W, W) by rank, dark is near; `groups` are neighbouring words, (name, how many)."""

    def draw(palette: Palette) -> Figure:
        figure = _figure(WIDTH + 14)
        axes = figure.add_axes((0.2, 0.02, 0.78, 0.96), facecolor="none")
        axes.imshow(_ranked(distances), cmap="Greys_r", interpolation="nearest", aspect="equal")
        edges = np.cumsum([0, *(size for _, size in groups)])
        for edge in edges[1:-1]:
            axes.axhline(edge - 0.5, color=palette.series[1], linewidth=0.6)
            axes.axvline(edge - 0.5, color=palette.series[1], linewidth=0.6)
        middles = (edges[1:] + edges[:-1]) / 2 - 0.5
        axes.set_yticks(middles, [name for name, _ in groups])
        axes.xaxis.set_visible(False)
        axes.tick_params(labelsize=8, length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        return figure

    return Drawing(key, title, description, draw)


def _ranked(distances: np.ndarray) -> np.ndarray:
    n = len(distances)
    upper = np.triu_indices(n, 1)
    order = np.argsort(distances[upper], kind="stable")
    ranks = np.empty(len(order))
    ranks[order] = np.linspace(0, 1, len(order))
    shown = np.zeros((n, n))
    shown[upper] = ranks
    return shown + shown.T


def words_map(
    key: str, title: str, description: str, points: np.ndarray, groups: Sequence[str], names: Sequence[str]
) -> Drawing:
    """Words as points (W, 2) with the colour and the marker of their group; `names` is the order of the groups."""

    def draw(palette: Palette) -> Figure:
        figure = _figure(WIDTH + 60)
        axes = figure.add_axes((0.01, 0.16, 0.98, 0.83), facecolor="none")
        for place, name in enumerate(names):
            inside = np.array([group == name for group in groups])
            colour = palette.series[place % len(palette.series)]
            marker = MARKERS[place % len(MARKERS)]
            axes.plot(*points[inside].T, marker, color=colour, markersize=4.5, alpha=0.8, label=name or "words")
        axes.set_aspect("equal")
        axes.xaxis.set_visible(False)
        axes.yaxis.set_visible(False)
        for spine in axes.spines.values():
            spine.set_visible(False)
        figure.legend(loc="lower center", ncols=3, fontsize=9, frameon=False, handletextpad=0.1, columnspacing=0.8)
        return figure

    return Drawing(key, title, description, draw)


def spread_map(distances: np.ndarray, seed: int) -> np.ndarray:
    """(W, 2): metric multidimensional scaling of distances (W, W), scikit-learn's, from the classical solution."""
    from sklearn.manifold import MDS

    scaling = MDS(2, n_init=1, init="classical_mds", max_iter=150, random_state=seed, metric="precomputed")
    return np.asarray(scaling.fit_transform(distances))


def _figure(height: float) -> Figure:
    return Figure((WIDTH / 72, height / 72), facecolor="none")
