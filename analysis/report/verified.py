"""What scorers say of constructed captions, from result rows: Ma et al. 2023 section 5, Figures 2, 3, Tables 6, 7.

The rows are those of `verification.rows`, "verify:BASE/EXPERIMENT:KIND" with the scorer as their model.  Figures
and Table 7 show the captions of the dump where those were changed, else the human ones; the last tables show both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from analysis.report import paper
from analysis.report.charts import Dot, dot_chart, points_chart
from analysis.report.tables import Exhibit
from analysis.report.titles import title_of
from probing_vlp.pages.drawing import Drawing
from probing_vlp.pages.results import Row
from probing_vlp.pages.tables import Cell, Found, Line, Table, by_name, cell, percent_cell
from probing_vlp.pages.wording import number

COMMAND = (
    "No scorer was asked about constructed captions: python probe.py verify --dump DUMP --scorer NAME, and then the "
    "report with --verification FILE."
)
BASES = {"dump": "captions of the dump", "human": "human captions"}
VISUAL, OTHERS = "visual-replaced", "others-replaced"
COUNTS = (3, 4, 5, 6, 7)
Written = Mapping[str, Mapping[int, str]]


def build_verified(rows: Sequence[Row], captions: Written) -> list[Exhibit]:
    """Figure 2, Table 7, Figure 3, Table 6 and all experiments; one line that says what to do where there are none.

    `captions`: the dumps' captions by image id, by dump, for those that were changed.
    """
    found = by_name(row for row in rows if row.name.startswith("verify:"))
    if not found:
        return [Exhibit("verify", "What the scorer pays for", missing=COMMAND, paper=paper.table_7())]
    scorers = scorers_of(rows)
    bases = [base for base in BASES if any(name.startswith(f"verify:{base}/") for name, _ in found)]
    first = bases[0] if bases else ""
    made = [build(found, scorers, first) for build in (figure_2, table_7, figure_3)]
    made.append(table_6(found, first, captions))
    made += [every(found, scorers, base) for base in bases]
    return [exhibit for exhibit in made if exhibit is not None]


def scorers_of(rows: Sequence[Row]) -> list[str]:
    """The scorers that captions were verified with."""
    return list(dict.fromkeys(row.model for row in rows if row.name.startswith("verify:")))


def figure_2(found: Found, scorers: Sequence[str], base: str) -> Exhibit | None:
    """Three kinds of captions: as written, visual words kept and the others replaced, visual words replaced."""
    kinds = ((VISUAL, "original", "as written"), (OTHERS, "score", "other words"), (VISUAL, "score", "visual words"))
    drawings = []
    for place, scorer in enumerate(scorers):
        dots = [
            Dot(f"{title} replaced" if kind == "score" else title, series, row.value or 0.0, row.ci_low, row.ci_high)
            for series, (name, kind, title) in enumerate(kinds)
            if (row := _get(found, base, name, kind, scorer))
        ]
        if len(dots) > 1:
            told = "; ".join(f"{dot.label} {number(dot.value)}" for dot in dots)
            drawings.append(dot_chart(f"figure-2-{place}", f"Score by {scorer}", told, dots))
    hint = (
        f"Mean score of {BASES[base]} as they were written (dashed), with every word but the visual ones replaced, "
        "and with wrong visual words."
    )
    return Exhibit("figure-2", "Three kinds of captions", hint, (), tuple(drawings)) if drawings else None


def table_7(found: Found, scorers: Sequence[str], base: str) -> Exhibit | None:
    """Scores of captions whose visual words stand in the five templates; the scorer's own is framed."""
    names = [name for name in paper.NAMES if any(_get(found, base, f"template-{name}", "score", s) for s in scorers)]
    if not names:
        return None
    lines = []
    for scorer in scorers:
        written = (_get(found, base, f"template-{name}", "original", scorer) for name in names)
        cells = [cell(next(filter(None, written), None))]
        for name in names:
            score, change = (_get(found, base, f"template-{name}", kind, scorer) for kind in ("score", "change"))
            made = replace(cell(score), own=name == scorer.removeprefix("mini-"))
            cells.append(replace(made, interval=_signed(change)) if change else made)
        lines.append(Line(scorer, tuple(cells)))
    table = Table(
        "table-7",
        f"Mean score of {BASES[base]}; under it the change, with its interval",
        ("as written", *(paper.NAMES[name] for name in names)),
        tuple(lines),
        groups=(("", 1), ("in the template of", len(names))),
    )
    hint = "A frame marks the template that the paper made for the scorer."
    return Exhibit("table-7", "The caption’s visual words in five templates", hint, (table,), paper=paper.table_7())


def figure_3(found: Found, scorers: Sequence[str], base: str) -> Exhibit | None:
    """Mean score over the number of visual words."""
    drawings: list[Drawing] = []
    for place, scorer in enumerate(scorers):
        rows = [(count, row) for count in COUNTS if (row := _get(found, base, f"words-{count}", "score", scorer))]
        if len(rows) > 1:
            dots = [Dot(str(count), place, row.value or 0.0, row.ci_low, row.ci_high) for count, row in rows]
            told = "; ".join(f"{dot.label} words {number(dot.value)}" for dot in dots)
            drawings.append(
                points_chart(f"figure-3-{place}", f"Score by {scorer}", told, [count for count, _ in rows], dots)
            )
    hint = "Mean score of one template with 3 to 7 visual words from people’s captions of the photograph."
    return Exhibit("figure-3", "The number of visual words", hint, (), tuple(drawings)) if drawings else None


def table_6(found: Found, base: str, captions: Written) -> Exhibit | None:
    """What the constructed captions of the same photographs look like, under the caption as it was written."""
    texts: dict[str, dict[str, str]] = {}
    for name in _experiments(found, base):
        row = next((row for (key, _), row in found.items() if key.startswith(f"verify:{base}/{name}:")), None)
        parts = (part.partition(": ") for part in (row.note if row else "").split("; ")[0].split(" | "))
        texts[name] = {image: text for image, colon, text in parts if colon and image.isdecimal()}
    images = list(dict.fromkeys(image for by_image in texts.values() for image in by_image))
    written = captions.get(source_of(found, base).partition(", seed")[0], {}) if base == "dump" else {}
    texts = {"as written": {image: written[int(image)] for image in images if int(image) in written}, **texts}
    lines = tuple(
        Line(title_of(name), tuple(Cell(by_image.get(image, "–")) for image in images))
        for name, by_image in texts.items()
        if by_image
    )
    columns = tuple(f"image {image}" for image in images)
    table = Table("table-6", f"Made from {BASES[base]}", columns, lines, wordy=True)
    return Exhibit("table-6", "Constructed captions", "", (table,)) if lines else None


def every(found: Found, scorers: Sequence[str], base: str) -> Exhibit:
    """All experiments: mean change, and the share of images in which the constructed caption wins."""
    lines = tuple(
        Line(title_of(name), tuple(_change(found, base, name, scorer) for scorer in scorers))
        for name in _experiments(found, base)
    )
    caption = f"Mean change of the score of {BASES[base]}"
    hint = (
        "A constructed caption that wins in more than half of the photographs is one that the scorer mistakes for a "
        "match. The ceiling is how often a scorer blind to the order of words could be right at most. "
        f"From {source_of(found, base)}."
    )
    table = Table(f"verify-{base}", caption, tuple(scorers), lines)
    return Exhibit(f"verify-{base}", f"Every experiment, {BASES[base]}", hint, (table,))


def source_of(found: Found, base: str) -> str:
    """Which captions were changed, as the rows' source names them: "ce, seed 1, template clip"."""
    start, end = f"verify:{base}/", ":score"
    source = next((row.source for (name, _), row in found.items() if name.startswith(start) and name.endswith(end)), "")
    return source.partition(": ")[2] or source


def _experiments(found: Found, base: str) -> list[str]:
    start = f"verify:{base}/"
    return list(dict.fromkeys(name[len(start) :].rpartition(":")[0] for name, _ in found if name.startswith(start)))


def _change(found: Found, base: str, name: str, scorer: str) -> Cell:
    made = cell(found.get((f"verify:{base}/{name}:change", scorer)), signed=True)
    wins, ceiling = (_get(found, base, name, kind, scorer) for kind in ("wins", "ceiling"))
    parts = [f"{kind} {percent_cell(row).text}" for kind, row in (("wins", wins), ("ceiling", ceiling)) if row]
    return replace(made, note=", ".join(parts) or made.note)


def _get(found: Found, base: str, name: str, kind: str, scorer: str) -> Row | None:
    row = found.get((f"verify:{base}/{name}:{kind}", scorer))
    return row if row is not None and row.value is not None else None


def _signed(row: Row) -> str:
    made = cell(row, signed=True)
    return f"{made.text} ({made.interval})" if made.interval else made.text
