"""The page of a report: templates filled in.  Captions and headers are text from outside, and are escaped as such."""

import hashlib
import json
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from analysis.charts import line_chart
from analysis.context import Context
from analysis.curves import Training
from analysis.examples import Example
from analysis.headline import Panel, answers, panels, question
from analysis.matrix import matrix_table
from analysis.results import Row
from analysis.scores import main_scorer, mini_scorers, reward_scorers
from analysis.tables import Table, build_tables, curve_table
from analysis.wording import number
from probing_vlp import __version__
from probing_vlp.dump import CaptionDump
from probing_vlp.records import COCO_URL

TEMPLATES = files("analysis") / "templates"


class Page(NamedTuple):
    """All that a page shows."""

    dumps: Sequence[CaptionDump]
    rows: Sequence[Row]
    examples: Sequence[Example]
    rule: str
    """How the examples were picked."""
    trainings: Sequence[Training]
    data: str
    context: Context
    warnings: Sequence[str]


def render(page: Page) -> str:
    """The whole page as HTML."""
    models = [dump.name for dump in page.dumps]
    main = main_scorer(page.dumps)
    rewards = {dump.name: reward_scorers(dump) for dump in page.dumps}
    scorers = list(dict.fromkeys(name for names in rewards.values() for name in names)) or [main] * bool(main)
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, loader=PackageLoader("analysis", "templates")
    )
    environment.globals["number"] = number
    style, script = ((TEMPLATES / name).read_text(encoding="utf-8") for name in ("report.css", "photos.js"))
    return environment.get_template("report.html.jinja").render(
        models=models,
        question=question(scorers),
        answers=answers(page.rows, models, rewards, main),
        minis=mini_scorers(page.dumps),
        warnings=page.warnings,
        panels=panels(page.rows, models, scorers),
        matrix=matrix_table(page.rows, models, rewards),
        tables=build_tables(page.rows, models),
        examples=page.examples,
        rule=page.rule,
        on_request=any(example.photo.url and not example.photo.source for example in page.examples),
        trainings=[_training(place, training, page.rows) for place, training in enumerate(page.trainings)],
        provenance=[(dump.name, list(_pairs(dump.header))) for dump in page.dumps],
        data=page.data,
        seed=page.context.seed,
        draws=page.context.draws,
        version=__version__,
        style=Markup(style),
        script=Markup(script),
        policy=_policy(script),
    )


def _training(place: int, training: Training, rows: Sequence[Row]) -> tuple[Training, list[Panel], Table]:
    charts = []
    for curve in training.curves:
        if np.ptp(curve.values):
            told = (
                f"From {number(curve.values[0])} at step {curve.steps[0]} to {number(curve.values[-1])} at step "
                f"{curve.steps[-1]}"
            )
            chart = line_chart(
                f"run{place}-{curve.key}",
                f"{curve.title}, {training.model}",
                told,
                curve.steps,
                curve.values,
                place,
                training.step,
            )
            charts.append(Panel(curve.title, chart))
    return training, charts, curve_table(rows, training.model)


def _pairs(header: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """A header as dotted names and values."""
    for key, value in header.items():
        if isinstance(value, Mapping) and value:
            yield from _pairs(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _policy(script: str) -> str:
    """A content security policy: this script alone may run, and pictures come from the page or from COCO's server."""
    digest = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    server = "/".join(COCO_URL.split("/")[:3])
    return (
        f"default-src 'none'; img-src data: {server}; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )
