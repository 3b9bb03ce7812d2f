"""Charts: what is drawn, and in which places."""

import io
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from PIL import Image as Picture

from analysis.report.charts import Dot, bar_chart, dot_chart, line_chart, points_chart
from probing_vlp.pages.drawing import PAPER, PLACEHOLDERS, Drawing

ODD = r"$\frac{1}{$ <script> -- & " + "x" * 50
DOTS = [Dot(ODD, 0, 0.2, 0.1, 0.3), Dot("b", 9, 0.4, None, None), Dot("c", 2, 0.0, 0.0, 0.0)]
EVERY = [
    dot_chart("dots", ODD, ODD, DOTS),
    bar_chart("bars", ODD, ODD, DOTS),
    points_chart("points", ODD, ODD, (3, 4, 7), DOTS),
    line_chart("line", ODD, ODD, np.arange(5), np.arange(5.0), 1, 3),
]


def test_charts_take_any_label_and_draw_long_logs_small() -> None:
    chart = EVERY[0].inline()
    assert "<script>" not in chart and "&lt;script&gt;" in chart and "…" in chart
    steps = np.arange(100_000)
    assert len(line_chart("k", "t", "d", steps, np.sin(steps / 9.0), 1).inline()) < 20_000


@pytest.mark.parametrize("drawing", EVERY, ids=lambda drawing: drawing.key)
def test_a_figure_is_drawn_for_the_page_and_for_paper(drawing: Drawing) -> None:
    inline, svg = drawing.inline(), drawing.svg().decode()
    assert 'role="img"' in inline and "var(--" in inline and f'id="{drawing.key}-title"' in inline
    assert "var(--" not in svg and PAPER.series[1] in svg + PAPER.series[1]
    assert not any(colour in text for colour in PLACEHOLDERS.series for text in (inline, svg))
    ElementTree.fromstring(svg)  # well-formed
    picture = Picture.open(io.BytesIO(drawing.png()))
    assert picture.width == 1020  # 340 units / 72 an inch x 216 pixels
    assert drawing.svg() == drawing.svg() and drawing.png() == drawing.png()


@pytest.mark.parametrize(
    ("low", "high"), [(9.65, 10.06), (0.276, 0.366), (1_204.0, 1_350.0), (-0.11, 0.07), (0.0, 1.0)]
)
def test_no_number_along_the_axis_is_cut(low: float, high: float) -> None:
    figure = dot_chart("k", "t", "d", [Dot("a", 0, (low + high) / 2, low, high)]).draw(PAPER)
    figure.draw_without_rendering()
    shown = [label for axes in figure.axes for label in axes.get_xticklabels()]
    boxes = [label.get_window_extent() for label in shown if label.get_text()]
    assert len(boxes) >= 2 and all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in boxes)


@pytest.mark.parametrize(("series", "dashed"), [(0, 1), (1, 0)])
def test_the_dashed_line_is_the_first_dumps(series: int, dashed: int) -> None:
    (axes,) = dot_chart("k", "t", "d", [Dot("a", series, 0.2, 0.1, 0.3), Dot("b", 2, 0.4, 0.3, 0.5)]).draw(PAPER).axes
    assert [line.get_xdata()[0] for line in axes.lines if line.is_dashed()] == [0.2] * dashed
