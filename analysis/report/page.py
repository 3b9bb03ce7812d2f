"""The page of a report: templates filled in.  Captions and headers are text from outside, and are escaped as such."""

import hashlib
from base64 import b64encode
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from analysis.context import Context
from analysis.curves import Training
from analysis.report import paper
from analysis.report.answers import Panel, answers, panels
from analysis.report.browse import Browse
from analysis.report.charts import line_chart
from analysis.report.drift_tables import habits
from analysis.report.examples import Example, example_table
from analysis.report.exhibits import build_exhibits
from analysis.report.headline import by_scorer, headline, proviso, sentence, verdicts
from analysis.report.hero import Hero
from analysis.report.photos import Photo
from analysis.report.proof import proof
from analysis.report.signatures import pairs, signature_table
from analysis.report.tables import Exhibit, curve_table
from analysis.report.verified import build_verified
from analysis.scores import main_scorer, mini_scorers, reward_scorers
from analysis.verification.findings import findings
from probing_vlp import __version__
from probing_vlp.dump import CaptionDump
from probing_vlp.pages.drawing import Drawing
from probing_vlp.pages.results import Row
from probing_vlp.pages.tables import Table
from probing_vlp.pages.templating import environment, stylesheet
from probing_vlp.pages.wording import number
from probing_vlp.records import COCO_URL

TEMPLATES = files("analysis.report") / "templates"


class Page(NamedTuple):
    """All that a page shows."""

    dumps: Sequence[CaptionDump]
    rows: Sequence[Row]
    examples: Sequence[Example]
    rule: str
    """How the examples were picked."""
    hero: Hero | None
    photo: Photo | None
    """The photograph of the hero."""
    trainings: Sequence[Training]
    browse: Browse
    data: str
    context: Context
    warnings: Sequence[str]
    judges: Mapping[str, str]
    """The scorer that each dump's habits are judged by, by the dump's name."""


class Course(NamedTuple):
    """The training of a dump as the page shows it."""

    training: Training
    charts: list[Panel]
    table: Table


def render(page: Page) -> tuple[str, list[Table], list[Drawing]]:
    """The whole page as HTML, and the tables and figures in it."""
    models = [dump.name for dump in page.dumps]
    main = main_scorer(page.dumps)
    rewards = {dump.name: reward_scorers(dump) for dump in page.dumps}
    scorers = list(dict.fromkeys(name for names in rewards.values() for name in names)) or [main] * bool(main)
    obstacle = paper.obstacle(page.dumps)
    exhibits = build_exhibits(page.rows, models, rewards, {} if obstacle else paper.paper_names(page.dumps))
    written = {dump.name: {record.image_id: record.caption for record in dump.records} for dump in page.dumps}
    verified = build_verified(page.rows, written)
    judged = by_scorer(verdicts(page.rows, models, {name: [judge] for name, judge in page.judges.items()}))
    shown = panels(page.rows, models, scorers)
    courses = [_course(place, training, page.rows) for place, training in enumerate(page.trainings)]
    signatures = signature_table(page.dumps)
    script = (TEMPLATES / "report.js").read_text(encoding="utf-8")
    html = (
        environment("analysis.report", label=label, sentence=sentence, proviso=proviso)
        .get_template("report.html.jinja")
        .render(
            page=page,
            models=models,
            trained=[model for model in models if rewards[model]],
            scorers=scorers,
            headline=headline(judged, scorers),
            judged=judged,
            proofs=[proof(page.rows, one) for one in judged],
            judge=next(iter(page.judges.values()), ""),
            pleased=pleased(page.rows, rewards),
            habits=habits(page.rows, models),
            answers=answers(page.rows, models, rewards, main),
            minis=mini_scorers(page.dumps),
            panels=shown,
            exhibits=exhibits,
            verified=verified,
            findings=findings(page.rows),
            obstacle=obstacle,
            on_request=page.browse.on_request or _on_request(page),
            courses=courses,
            signatures=signatures,
            provenance=[(dump.name, list(pairs(dump.header))) for dump in page.dumps],
            version=__version__,
            style=stylesheet(),
            script=Markup(script),
            policy=_policy(script),
        )
    )
    every = [*exhibits, *verified, *habits(page.rows, models)]
    tables = [table for exhibit in every for table in exhibit.every]
    tables += [example_table(page.examples, models), signatures, *(course.table for course in courses if course.charts)]
    drawings = [panel.chart for panel in shown] + [drawing for exhibit in every for drawing in exhibit.drawings]
    return html, tables, drawings + [panel.chart for course in courses for panel in course.charts]


def pleased(rows: Sequence[Row], rewards: Mapping[str, Sequence[str]]) -> bool:
    """Whether any captioner came to please its scorer more, or nobody knows."""
    own = {(f"score_difference:{name}", model) for model, names in rewards.items() for name in names[:1]}
    changes = [row.value for row in rows if (row.name, row.model) in own and row.value is not None]
    return not changes or max(changes) > 0


def label(exhibit: Exhibit) -> str:
    """ "Table 2" for what has a number in the paper, else ""."""
    kind, _, place = exhibit.key.partition("-")
    return f"{kind.capitalize()} {place}" if place.isdigit() else ""


def _on_request(page: Page) -> bool:
    photos = [example.photo for example in page.examples] + ([page.photo] if page.photo else [])
    return any(photo.url and not photo.source for photo in photos)


def _course(place: int, training: Training, rows: Sequence[Row]) -> Course:
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
    return Course(training, charts, curve_table(rows, training.model, place))


def _policy(script: str) -> str:
    """A content security policy: this script alone may run, and pictures come from the page or from COCO's server."""
    digest = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    server = "/".join(COCO_URL.split("/")[:3])
    return (
        f"default-src 'none'; img-src data: {server}; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )
