"""Charts as inline SVG: no script, no request, sharp on paper, and the page's own colours in light and dark.

Each chart is one small panel (340 units wide), so that a phone shows one a row and a desk three, with text of the same
size.  Matplotlib draws in placeholder colours, which become CSS variables of the page; text stays text.
"""

import io
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.wording import number

INK, MUTED, GRID = "#010101", "#020202", "#030303"
SERIES = ("#040401", "#040402", "#040403", "#040404", "#040405", "#040406", "#040407", "#040408")
MARKERS = "osD^vPX*"
VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    GRID: "var(--grid)",
    **{colour: f"var(--series-{i})" for i, colour in enumerate(SERIES)},
}
WIDTH = 340
MOST_POINTS = 240
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.size": 12,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.sans-serif": ["DejaVu Sans"],
    "text.parse_math": False,
    "axes.formatter.useoffset": False,
}


class Dot(NamedTuple):
    """One value of a dot chart; `series` is the place of its dump, which gives colour and marker."""

    label: str
    series: int
    value: float
    low: float | None
    high: float | None


def dot_chart(key: str, title: str, description: str, dots: Sequence[Dot]) -> Markup:
    """Values with their intervals, one line a dump, on a scale of their own; the baseline is the dashed line."""
    height = 30 + 34 * len(dots)
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": key}):
        figure = Figure((WIDTH / 72, height / 72), facecolor="none")
        axes = figure.add_axes((0.02, 22 / height, 0.96, 1 - 24 / height), facecolor="none")
        axes.axvline(dots[0].value, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        for place, dot in enumerate(dots):
            _dot(axes, -place, dot)
        ends = [x for dot in dots for x in (dot.value, dot.low, dot.high) if x is not None]
        spread = max(ends) - min(ends) or abs(ends[0]) or 1.0
        axes.set_xlim(min(ends) - 0.12 * spread, max(ends) + 0.12 * spread)
        axes.set_ylim(-len(dots) + 0.55, 0.75)
        axes.yaxis.set_visible(False)
        axes.spines["left"].set_visible(False)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.tick_params(labelsize=11, length=3)
        return _svg(key, title, description, figure)


def _dot(axes: Axes, height: float, dot: Dot) -> None:
    colour = SERIES[dot.series % len(SERIES)]
    if dot.low is not None and dot.high is not None:
        axes.plot([dot.low, dot.high], [height, height], color=colour, linewidth=2.5)
    axes.plot([dot.value], [height], MARKERS[dot.series % len(MARKERS)], color=colour, markersize=7)
    line = axes.get_yaxis_transform()
    axes.text(0.0, height + 0.3, _short(dot.label), transform=line, fontsize=11.5, va="bottom", color=INK)
    axes.text(1.0, height + 0.3, number(dot.value), transform=line, fontsize=11.5, va="bottom", ha="right", color=INK)


def line_chart(
    key: str, title: str, description: str, steps: np.ndarray, values: np.ndarray, series: int, mark: int = 0
) -> Markup:
    """A training curve: `values` (n,) over `steps` (n,), at most MOST_POINTS points (means of neighbours beyond).

    A dashed line stands at step `mark`, unless that is 0.
    """
    steps, values = _thin(steps), _thin(values)
    colour = SERIES[series % len(SERIES)]
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": key}):
        figure = Figure((WIDTH / 72, 170 / 72), facecolor="none")
        axes = figure.add_axes((0.15, 0.16, 0.82, 0.8), facecolor="none")
        axes.grid(axis="y", color=GRID, linewidth=0.8)
        axes.plot(steps, values, color=colour, linewidth=1.8, marker="o" if len(steps) < 15 else None, markersize=4)
        if mark:
            axes.axvline(mark, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.tick_params(labelsize=11, length=0)
        return _svg(key, title, description, figure)


def _thin(values: np.ndarray) -> np.ndarray:
    if len(values) <= MOST_POINTS:
        return values
    return np.array([part.mean() for part in np.array_split(values, MOST_POINTS)])


def _short(label: str, most: int = 30) -> str:
    return label if len(label) <= most else label[: most - 1] + "…"


def _svg(key: str, title: str, description: str, figure: Figure) -> Markup:
    """The figure as an inline element: ids unique in the page, colours from the page, a name for screen readers."""
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = file.getvalue()
    body = text[text.index("<defs>") :]
    body = re.sub(r"<!--.*?-->|<style.*?</style>|font-family: [^;]*;", "", body, flags=re.DOTALL)
    body = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{key}-", body)
    for placeholder, variable in VARIABLES.items():
        body = body.replace(placeholder, variable)
    box = re.search(r'viewBox="([^"]+)"', text)
    view = box.group(1) if box else f"0 0 {WIDTH} 170"
    return Markup(
        f'<svg class="chart" viewBox="{view}" role="img" aria-labelledby="{key}-title {key}-desc" '
        f'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
        f'<title id="{key}-title">{escape(title)}</title><desc id="{key}-desc">{escape(description)}</desc>'
    ) + Markup(body)
