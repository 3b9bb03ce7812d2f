"""Figures that are drawn once in placeholder colours and shown in three ways.

- inline: an SVG element for the page, in the page's own colours (CSS variables), light or dark; text stays text;
- a file of its own, SVG or PNG, in fixed colours for paper.

A figure is drawn by a function of a palette.  Matplotlib cannot write `var(--ink)`, so the placeholder palette has
colours that occur nowhere else, and they are replaced in the finished text.
"""

import io
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import matplotlib
from markupsafe import Markup, escape
from matplotlib.figure import Figure


class Palette(NamedTuple):
    """Colours of a figure; `series` holds one a dump."""

    ink: str
    muted: str
    grid: str
    series: tuple[str, ...]


PLACEHOLDERS = Palette("#010101", "#020202", "#030303", tuple(f"#04040{i}" for i in range(1, 9)))
VARIABLES = Palette("var(--ink)", "var(--muted)", "var(--grid)", tuple(f"var(--series-{i})" for i in range(8)))
PAPER = Palette(
    "#1c2024",
    "#5c646c",
    "#d9dde1",
    ("#56616c", "#c8500a", "#0b6fb8", "#1a8a66", "#a8468a", "#8a7400", "#6a4fc4", "#b02a37"),
)
FONTS = "DejaVu Sans, Helvetica, Arial, sans-serif"
PIXELS_PER_INCH = 216


@dataclass(frozen=True)
class Drawing:
    """A figure: `key` is its id in the page and the name of its files; title and description are read aloud."""

    key: str
    title: str
    description: str
    draw: Callable[[Palette], Figure]

    def inline(self) -> Markup:
        """The figure as an element of the page: ids unique in the page, a name for screen readers."""
        view, body = self._body(VARIABLES)
        return Markup(
            f'<svg class="chart" viewBox="{view}" role="img" aria-labelledby="{self.key}-title {self.key}-desc" '
            f'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
            f'<title id="{self.key}-title">{escape(self.title)}</title>'
            f'<desc id="{self.key}-desc">{escape(self.description)}</desc>'
        ) + Markup(body)

    def svg(self) -> bytes:
        """The figure as an SVG file."""
        view, body = self._body(PAPER)
        width, height = view.split()[2:]
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="{view}" '
            f'width="{width}" height="{height}" font-family="{FONTS}" style="background: #fff">'
            f"<title>{escape(self.title)}</title><desc>{escape(self.description)}</desc>"
        )
        return f'<?xml version="1.0" encoding="UTF-8"?>\n{head}{body}'.encode()

    def png(self) -> bytes:
        """The figure as a PNG file, three pixels a unit."""
        file = io.BytesIO()
        with _styled(PAPER, self.key):
            figure = self.draw(PAPER)
            figure.savefig(file, format="png", dpi=PIXELS_PER_INCH, facecolor="white", metadata={"Software": None})
        return file.getvalue()

    def _body(self, colours: Palette) -> tuple[str, str]:
        """The view box and what is inside the svg element, its end tag included."""
        view, body = self._drawn
        for old, new in zip(_flat(PLACEHOLDERS), _flat(colours), strict=True):
            body = body.replace(old, new)
        return view, body

    @cached_property
    def _drawn(self) -> tuple[str, str]:
        """View box and body in placeholder colours, drawn once."""
        file = io.StringIO()
        with _styled(PLACEHOLDERS, self.key):
            figure = self.draw(PLACEHOLDERS)
            figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
        text = file.getvalue()
        body = text[text.index("<defs>") :]
        body = re.sub(r"<!--.*?-->|<style.*?</style>|font-family: [^;]*;", "", body, flags=re.DOTALL)
        body = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{self.key}-", body)
        box = re.search(r'viewBox="([^"]+)"', text)
        assert box, "matplotlib writes a view box"
        return box.group(1), body


def _flat(palette: Palette) -> tuple[str, ...]:
    return (palette.ink, palette.muted, palette.grid, *palette.series)


@contextmanager
def _styled(palette: Palette, salt: str) -> Iterator[None]:
    with warnings.catch_warnings(), matplotlib.rc_context(_style(palette, salt)):
        # an SVG is shown in the reader's fonts; a PNG of other scripts has boxes, which is no news on every run
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        yield


def _style(palette: Palette, salt: str) -> dict[Any, Any]:
    return {
        "svg.fonttype": "none",
        "svg.hashsalt": salt,
        "font.size": 12,
        "text.color": palette.ink,
        "axes.edgecolor": palette.grid,
        "axes.labelcolor": palette.muted,
        "xtick.color": palette.muted,
        "ytick.color": palette.muted,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "font.sans-serif": ["DejaVu Sans"],
        "text.parse_math": False,
        "axes.formatter.useoffset": False,
    }
