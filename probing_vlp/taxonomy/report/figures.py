"""Figures of the taxonomy probe: scores over what was taken away, label maps, coherence.

Small panels (340 units wide), as in the project's other reports.  A system is told by colour, marker and line style:
solid for a language model with knowledge, dotted for random weights; dashed grey is the majority line, dash-dotted grey
the blind one (chance.py).  Ribbons and bars are 95 % intervals, clustered by concept.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from probing_vlp.pages.drawing import Drawing, Palette
from probing_vlp.pages.wording import interval, number
from probing_vlp.stats import Estimate
from probing_vlp.taxonomy.answers.intervals import pearson
from probing_vlp.taxonomy.answers.outcomes import is_random
from probing_vlp.taxonomy.report.measured import TESTS, Measured, Setting

MARKERS = "osD^vPX*"
WIDTH, ROW = 340, 16
FIRST_MAP = 2
"""Colour of the first label map: those before it are of language models."""
HEADINGS = {"leaves": "Leaves", "seen": "Seen hypernyms", "held-out": "Held-out hypernyms"}


class Curve(NamedTuple):
    """Values over the per cent ablated."""

    label: str
    series: int
    dotted: bool
    points: list[tuple[float, Estimate]]


class Cloud(NamedTuple):
    """A point a hypernym: coherence, macro-F1."""

    label: str
    series: int
    x: np.ndarray
    y: np.ndarray


def series(measured: Measured) -> tuple[str, ...]:
    """Language models in the order of their colours: random weights in grey, then those with knowledge."""
    return tuple(sorted(measured.lms, key=lambda name: (not is_random(name), name)))


def main_figures(measured: Measured, encoder: str) -> list[Drawing]:
    """A panel for each kind of removal and test; full ablation is the point at 100 of either kind."""
    kinds = {kind for kind, _ in measured.conditions.values()}
    made = []
    for kind in sorted(kinds - {"full"}) or ["full"]:
        for test in TESTS:
            names = [name for name, (own, _) in measured.conditions.items() if own in (kind, "full")]
            curves = [
                Curve(f"{lm} LM", place, is_random(lm), _points(measured, Setting(encoder, lm, test=test), names))
                for place, lm in enumerate(series(measured))
            ]
            if not any(curve.points for curve in curves):
                continue
            title = HEADINGS[test] if kind == "full" else f"{HEADINGS[test]}, {kind} removal"
            lines = _lines(measured, Setting(encoder, measured.lms[0], test=test), names)
            made.append(_chart(f"main-{encoder_key(encoder)}{kind}-{test}", title, curves, lines))
    return made


def map_figures(measured: Measured, encoder: str) -> list[Drawing]:
    """Held-out hypernyms under each label map, a panel a language model."""
    names = [name for name, (kind, _) in measured.conditions.items() if kind in ("full", "random")]
    made = []
    for lm in measured.lms:
        setting = Setting(encoder, lm)
        curves = [
            Curve(f"{name} map", place, False, _points(measured, replace(setting, map=name), names))
            for place, name in enumerate(measured.maps, FIRST_MAP)
        ]
        if len(measured.maps) > 1 and any(curve.points for curve in curves):
            key = f"maps-{encoder_key(encoder)}{lm}"
            made.append(_chart(key, f"Label maps, {lm} LM", curves, _lines(measured, setting, names)))
    return made


def coherence_figure(key: str, title: str, clouds: Sequence[Cloud]) -> Drawing:
    """Macro-F1 of hypernyms over their visual coherence; r with Fisher's interval stands in the legend."""

    def draw(palette: Palette) -> Figure:
        figure, axes = _axes(palette, len(clouds))
        for place, cloud in enumerate(clouds):
            colour, marker = palette.series[cloud.series % 8], MARKERS[cloud.series % 8]
            axes.plot(cloud.x, cloud.y, marker, color=colour, markersize=5, alpha=0.75, linestyle="none")
            _legend(figure, place, len(clouds), f"{cloud.label}: {told_r(cloud)}", colour, marker, "none")
        axes.set_xlabel("visual coherence", fontsize=11)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        return figure

    told = "; ".join(f"{cloud.label}: {told_r(cloud)}" for cloud in clouds)
    return Drawing(key, title, f"Macro-F1 over visual coherence, a point a hypernym. {told}", draw)


def told_r(cloud: Cloud) -> str:
    """ "r = 0.43 (0.18 to 0.63), n = 53"."""
    r = pearson(cloud.x, cloud.y)
    if math.isnan(r.value):
        return f"no r, n = {r.n}"
    span = "" if math.isnan(r.low) else f" ({interval(r.low, r.high)})"
    return f"r = {number(r.value)}{span}, n = {r.n}"


def encoder_key(encoder: str) -> str:
    """An encoder's name as a part of a file name."""
    return "".join(letter if letter.isalnum() else "-" for letter in encoder) + "-" if encoder else ""


def _points(measured: Measured, setting: Setting, names: Sequence[str]) -> list[tuple[float, Estimate]]:
    found = [(measured.conditions[name][1], measured.mean(replace(setting, condition=name))) for name in names]
    return sorted([(x, estimate) for x, estimate in found if estimate.n], key=lambda point: point[0])


def _lines(
    measured: Measured, setting: Setting, names: Sequence[str]
) -> list[tuple[str, str, list[tuple[float, float]]]]:
    """(what it is, line style, points) of both chance lines."""
    lines = []
    for label, style, column in (
        ("majority answer", "--", "chance"),
        (f"{setting.lm} LM’s answers, shuffled", "-.", "blind"),
    ):
        found = [(measured.conditions[n][1], measured.mean(replace(setting, condition=n), column)) for n in names]
        lines.append((label, style, sorted((x, estimate.value) for x, estimate in found if estimate.n)))
    return [line for line in lines if line[2]]


def _chart(
    key: str, title: str, curves: Sequence[Curve], lines: Sequence[tuple[str, str, list[tuple[float, float]]]]
) -> Drawing:
    shown = [curve for curve in curves if curve.points]
    rows = len(shown) + len(lines)

    def draw(palette: Palette) -> Figure:
        figure, axes = _axes(palette, rows)
        for place, (label, style, points) in enumerate(lines):
            _straight(axes, points, palette.muted, style)
            _legend(figure, len(shown) + place, rows, label, palette.muted, "", style)
        for place, curve in enumerate(shown):
            colour, marker = palette.series[curve.series % 8], MARKERS[curve.series % 8]
            style = ":" if curve.dotted else "-"
            _curve(axes, curve, colour, marker, style)
            _legend(figure, place, rows, curve.label, colour, marker, style)
        axes.set_xlabel("% of hypernym questions ablated", fontsize=11)
        places = sorted({x for curve in shown for x, _ in curve.points})
        axes.set_xticks(places, [f"{x:.0f}" for x in places])
        axes.margins(x=0.08)
        return figure

    told = "; ".join(
        f"{curve.label}: " + ", ".join(f"{number(estimate.value)} at {x:.0f} %" for x, estimate in curve.points)
        for curve in shown
    )
    return Drawing(key, title, f"Macro-F1 over per cent ablated. {told}", draw)


def _curve(axes: Axes, curve: Curve, colour: str, marker: str, style: str) -> None:
    x = [place for place, _ in curve.points]
    axes.plot(x, [e.value for _, e in curve.points], color=colour, linewidth=1.8, linestyle=style)
    axes.plot(x, [e.value for _, e in curve.points], marker, color=colour, markersize=6)
    low, high = ([getattr(e, end) for _, e in curve.points] for end in ("low", "high"))
    axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
    for place, bottom, top in zip(x, low, high, strict=True):
        axes.plot([place, place], [bottom, top], color=colour, linewidth=1.5, alpha=0.5)


def _straight(axes: Axes, points: list[tuple[float, float]], colour: str, style: str) -> None:
    if len(points) == 1:
        axes.axhline(points[0][1], color=colour, linewidth=1.2, linestyle=style)
    else:
        axes.plot([x for x, _ in points], [y for _, y in points], color=colour, linewidth=1.2, linestyle=style)


def _axes(palette: Palette, rows: int) -> tuple[Figure, Axes]:
    height = 216 + ROW * rows
    figure = Figure((WIDTH / 72, height / 72), facecolor="none")
    axes = figure.add_axes((0.13, (ROW * rows + 46) / height, 0.84, 160 / height), facecolor="none")
    axes.grid(axis="y", color=palette.grid, linewidth=0.8)
    axes.set_ylabel("macro-F1", fontsize=11)
    axes.set_ylim(0, 1.02)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.tick_params(labelsize=11, length=0)
    return figure, axes


def _legend(figure: Figure, place: int, rows: int, label: str, colour: str, marker: str, style: str) -> None:
    """A row under the axes: a piece of the line, and what it is."""
    height = float(figure.get_size_inches()[1]) * 72
    y = (ROW * (rows - place) - 6) / height
    figure.add_artist(Line2D([0.04, 0.13], [y, y], color=colour, linewidth=1.6, ls=style))
    if marker:
        figure.add_artist(Line2D([0.085], [y], color=colour, marker=marker, markersize=5, linestyle="none"))
    figure.text(0.16, y, label if len(label) <= 50 else label[:49] + "…", fontsize=11, va="center")
