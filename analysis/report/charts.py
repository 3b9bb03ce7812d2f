"""The kinds of charts: dots with intervals, a curve, points over k, bars of words.

Each is one small panel (340 units wide), so that a phone shows one a row and a desk three, with text of the same size.
Colour and marker follow a dump's place among the dumps, so a reader who sees no colours can tell them apart too.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from probing_vlp.pages.drawing import Drawing, Palette
from probing_vlp.pages.wording import number

MARKERS = "osD^vPX*"
WIDTH = 340
MOST_POINTS = 240
TICK = 11
"""Size of the numbers along an axis."""
DIGIT = 0.65
"""Width of a digit, in sizes of its type."""


class Dot(NamedTuple):
    """One value with its interval; `series` is the place of its dump, which gives colour and marker."""

    label: str
    series: int
    value: float
    low: float | None
    high: float | None


def dot_chart(key: str, title: str, description: str, dots: Sequence[Dot]) -> Drawing:
    """Values with their intervals, one line a dump, on a scale of their own; the dashed line is that of series 0."""

    def draw(palette: Palette) -> Figure:
        height = 30 + 34 * len(dots)
        figure = _figure(height)
        axes = figure.add_axes((0.02, 22 / height, 0.96, 1 - 24 / height), facecolor="none")
        if dots[0].series == 0:
            axes.axvline(dots[0].value, color=palette.muted, linewidth=1, linestyle=(0, (4, 3)))
        for place, dot in enumerate(dots):
            _dot(axes, -place, dot, palette)
        low, high = _range(dots)
        axes.set_xlim(low - 0.12 * (high - low), high + 0.12 * (high - low))
        axes.set_ylim(-len(dots) + 0.55, 0.75)
        axes.yaxis.set_visible(False)
        axes.spines["left"].set_visible(False)
        axes.xaxis.set_major_locator(MaxNLocator(5, prune="both"))
        axes.tick_params(labelsize=TICK, length=3)
        _whole_labels(axes)
        return figure

    return Drawing(key, title, description, draw)


def _dot(axes: Axes, height: float, dot: Dot, palette: Palette) -> None:
    colour = palette.series[dot.series % len(palette.series)]
    if dot.low is not None and dot.high is not None:
        axes.plot([dot.low, dot.high], [height, height], color=colour, linewidth=2.5)
    axes.plot([dot.value], [height], MARKERS[dot.series % len(MARKERS)], color=colour, markersize=7)
    line = axes.get_yaxis_transform()
    axes.text(0.0, height + 0.3, _short(dot.label), transform=line, fontsize=11.5, va="bottom")
    axes.text(1.0, height + 0.3, number(dot.value), transform=line, fontsize=11.5, va="bottom", ha="right")


def line_chart(
    key: str, title: str, description: str, steps: np.ndarray, values: np.ndarray, series: int, mark: int = 0
) -> Drawing:
    """A training curve: `values` (n,) over `steps` (n,), at most MOST_POINTS points (means of neighbours beyond).

    A dashed line stands at step `mark`, unless that is 0.
    """
    steps, values = _thin(steps), _thin(values)

    def draw(palette: Palette) -> Figure:
        figure = _figure(170)
        axes = _plain_axes(figure, palette)
        colour = palette.series[series % len(palette.series)]
        axes.plot(steps, values, color=colour, linewidth=1.8, marker="o" if len(steps) < 15 else None, markersize=4)
        if mark:
            axes.axvline(mark, color=palette.muted, linewidth=1, linestyle=(0, (4, 3)))
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        _whole_labels(axes)
        return figure

    return Drawing(key, title, description, draw)


def points_chart(key: str, title: str, description: str, places: Sequence[int], dots: Sequence[Dot]) -> Drawing:
    """Values with their intervals over whole numbers, joined by a line: dot i stands at places[i]."""

    def draw(palette: Palette) -> Figure:
        figure = _figure(170)
        axes = _plain_axes(figure, palette)
        colour = palette.series[dots[0].series % len(palette.series)]
        marker = MARKERS[dots[0].series % len(MARKERS)]
        axes.plot(places, [dot.value for dot in dots], color=colour, linewidth=1.8, marker=marker, markersize=6)
        for place, dot in zip(places, dots, strict=True):
            if dot.low is not None and dot.high is not None:
                axes.plot([place, place], [dot.low, dot.high], color=colour, linewidth=2.5, alpha=0.6)
        axes.set_xticks(list(places))
        axes.margins(x=0.08, y=0.15)
        return figure

    return Drawing(key, title, description, draw)


def bar_chart(key: str, title: str, description: str, bars: Sequence[Dot]) -> Drawing:
    """Bars from zero, the first on top, each with its label, its interval and its value as per cent."""

    def draw(palette: Palette) -> Figure:
        height = 14 + 22 * len(bars)
        figure = _figure(height)
        axes = figure.add_axes((0.27, 0.01, 0.58, 0.98), facecolor="none")
        for place, bar in enumerate(bars):
            colour = palette.series[bar.series % len(palette.series)]
            axes.barh(-place, bar.value, 0.66, color=colour)
            if bar.low is not None and bar.high is not None:
                axes.plot([bar.low, bar.high], [-place, -place], color=palette.ink, linewidth=1.2)
            shown = max(bar.value, bar.high or bar.value)
            text = f"{number(100 * bar.value)} %"
            axes.annotate(text, (shown, -place), (5, 0), textcoords="offset points", va="center", fontsize=11)
        axes.set_yticks([-place for place in range(len(bars))], [_short(bar.label, 11) for bar in bars])
        axes.set_ylim(-len(bars) + 0.4, 0.6)
        axes.set_xlim(0, max(max(bar.value, bar.high or 0.0) for bar in bars) * 1.02 or 1.0)
        axes.xaxis.set_visible(False)
        axes.spines["bottom"].set_visible(False)
        axes.tick_params(axis="y", labelsize=11.5, length=0, labelcolor=palette.ink)
        return figure

    return Drawing(key, title, description, draw)


def _figure(height: float) -> Figure:
    return Figure((WIDTH / 72, height / 72), facecolor="none")


def _plain_axes(figure: Figure, palette: Palette) -> Axes:
    axes = figure.add_axes((0.15, 0.16, 0.82, 0.8), facecolor="none")
    axes.grid(axis="y", color=palette.grid, linewidth=0.8)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.tick_params(labelsize=TICK, length=0)
    return axes


def _whole_labels(axes: Axes) -> None:
    """Leave out the ticks along the bottom whose labels would be cut at the edge of the panel."""
    low, high = axes.get_xlim()
    inside = [float(tick) for tick in axes.get_xticks() if low <= tick <= high]
    left, width = WIDTH * axes.get_position().x0, WIDTH * axes.get_position().width
    labels = axes.xaxis.get_major_formatter().format_ticks(inside)
    middles = [left + width * (tick - low) / (high - low) for tick in inside]
    halves = [DIGIT * TICK * len(label) / 2 for label in labels]
    whole = zip(inside, middles, halves, strict=True)
    axes.set_xticks([tick for tick, middle, half in whole if half <= middle <= WIDTH - half])


def _range(dots: Sequence[Dot]) -> tuple[float, float]:
    ends = [x for dot in dots for x in (dot.value, dot.low, dot.high) if x is not None]
    if max(ends) > min(ends):
        return min(ends), max(ends)
    return ends[0] - (abs(ends[0]) or 1.0) / 2, ends[0] + (abs(ends[0]) or 1.0) / 2


def _thin(values: np.ndarray) -> np.ndarray:
    if len(values) <= MOST_POINTS:
        return values
    return np.array([part.mean() for part in np.array_split(values, MOST_POINTS)])


def _short(label: str, most: int = 30) -> str:
    return label if len(label) <= most else label[: most - 1] + "…"
