"""Training curves: the `log.jsonl` of the run that a dump came from, one JSON object a step.

The run folder is named by the dump's header ("run"), or is the folder that the dump lies in (RUN/dumps/NAME.jsonl).
Any number under any key is a curve over "step"; the report shows those of CURVES, in that order.
"""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from probing_vlp.dump import CaptionDump
from probing_vlp.pages.results import Row, unavailable

SOURCE = "analysis.curves"
CURVES = {
    "reward_mean": "Mean reward of the samples",
    "val_reward": "Validation reward",
    "val_cider": "Validation CIDEr-D",
    "beat_baseline": "Share of samples that beat the baseline",
    "reward_spread": "Spread of rewards within an image",
    "length": "Words a sample",
    "entropy": "Entropy (nats a word)",
    "kl": "KL to the CE model (nats a word)",
    "loss": "Loss",
    "unscored": "Samples without a score",
}


class Curve(NamedTuple):
    """One logged quantity: `steps` (n,) int, ascending, and `values` (n,) float, all finite."""

    key: str
    title: str
    steps: np.ndarray
    values: np.ndarray


class Training(NamedTuple):
    """The curves of the run behind a dump; without any, `note` says why."""

    model: str
    run: str
    step: int
    """The step whose weights wrote the captions, 0 where the header does not say."""
    curves: tuple[Curve, ...]
    note: str = ""


def read_training(dump: CaptionDump) -> Training:
    """The curves of a dump's run.  A line cut by a kill is left out; a step logged twice counts as logged last."""
    folder, step = run_folder(dump), dump.header.get("step")
    step = step if isinstance(step, int) else 0
    if folder is None:
        named = dump.header.get("run")
        why = f"its run folder {named} is not on this machine" if named else "the dump names no run"
        return Training(dump.name, str(named or ""), step, (), why)
    series: dict[str, dict[int, float]] = {key: {} for key in CURVES}
    for line in _lines(folder / "log.jsonl"):
        for key in CURVES.keys() & line.keys():
            if isinstance(line[key], int | float) and math.isfinite(line[key]):
                series[key][line["step"]] = float(line[key])
    curves = tuple(_curve(key, points) for key, points in series.items() if len(points) > 1)
    return Training(dump.name, str(folder), step, curves, "" if curves else f"{folder}/log.jsonl holds no curves")


def run_folder(dump: CaptionDump) -> Path | None:
    """The folder with the log of the run behind a dump, None where there is none on this machine."""
    named = dump.header.get("run")
    near = dump.path.absolute().parent.parent if dump.path else None
    places = ([Path(named)] if isinstance(named, str) and named else []) + ([near] if near else [])
    return next((place for place in places if (place / "log.jsonl").is_file()), None)


def curve_rows(training: Training) -> list[Row]:
    """First, highest or lowest and last value of each curve: "curve:KEY:first", "curve:KEY:last", ..."""
    if not training.curves:
        return [unavailable("curves", training.model, "", SOURCE, training.note)]
    rows = []
    for curve in training.curves:
        ends = {"first": 0, "lowest": int(curve.values.argmin()), "highest": int(curve.values.argmax()), "last": -1}
        rows += [
            Row(
                f"curve:{curve.key}:{which}",
                training.model,
                float(curve.values[i]),
                None,
                None,
                1,
                "one step",
                SOURCE,
                f"step {curve.steps[i]}",
            )
            for which, i in ends.items()
        ]
    return rows


def curve_title(key: str) -> str:
    """The heading of a curve."""
    return CURVES.get(key, key)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            line = json.loads(text)
        except json.JSONDecodeError:
            continue
        if isinstance(line, dict) and isinstance(line.get("step"), int):
            yield line


def _curve(key: str, points: dict[int, float]) -> Curve:
    steps = np.array(sorted(points))
    return Curve(key, curve_title(key), steps, np.array([points[int(step)] for step in steps]))
