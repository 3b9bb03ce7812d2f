import numpy as np

from analysis.charts import Dot, dot_chart, line_chart


def test_charts_take_any_label_and_draw_long_logs_small() -> None:
    odd = r"$\frac{1}{$ <script> -- & " + "x" * 50
    chart = dot_chart("k", odd, odd, [Dot(odd, 0, 1.0, None, None), Dot("b", 9, 1.0, 1.0, 1.0)])
    assert "<script>" not in chart and "&lt;script&gt;" in chart and "…" in chart
    steps = np.arange(100_000)
    assert len(line_chart("k", "t", "d", steps, np.sin(steps / 9.0), 1)) < 20_000
