"""Tables of verification rows, laid out as the paper's: Figure 2, Table 7, Figure 3, and a table of all experiments.

Scorers stand across, experiments down.  The paper's numbers stand beside ours for the scorers that it has; its scores
are means times 100 over 5,000 images, ours are raw.  The values of its Figures 2 and 3 are not printed.
"""

from collections.abc import Mapping, Sequence

from analysis.verification.findings import TABLE_7
from probing_vlp.experiments.pairs import BASES
from probing_vlp.experiments.templates import TEMPLATES, own_template
from probing_vlp.pages.results import Row
from probing_vlp.pages.tables import Cell, Line, Table
from probing_vlp.pages.wording import interval, number

FIGURE_2 = {"visual-replaced": "Visual words replaced by wrong ones", "others-replaced": "All other words replaced"}
CAPTIONS = {"dump": "captions of the dump", "human": "human captions"}
Values = Mapping[tuple[str, str], Row]


def verification_tables(rows: Sequence[Row]) -> list[Table]:
    """The tables of each base that was changed; those without a line are left out."""
    values = {(row.name, row.model): row for row in rows if row.name.startswith("verify:")}
    models = tuple(dict.fromkeys(model for _, model in values))
    tables = []
    for base in BASES:
        tables += [
            _figure_2(base, values, models),
            _table_7(base, values, models),
            _figure_3(base, values, models),
            _all(base, values, models),
        ]
    return [table for table in tables if table.lines]


def _figure_2(base: str, values: Values, models: Sequence[str]) -> Table:
    lines = [_line("As they are", f"verify:{base}/visual-replaced:original", values, models)]
    lines += [_line(title, f"verify:{base}/{name}:score", values, models) for name, title in FIGURE_2.items()]
    return _table(f"figure-2-{base}", f"Words replaced in {CAPTIONS[base]}, mean scores", models, lines)


def _table_7(base: str, values: Values, models: Sequence[str]) -> Table:
    """A line a scorer, with its own template."""
    lines = []
    for model in models:
        own = own_template(model)
        names = [f"verify:{base}/template-{own}:{what}" for what in ("original", "score", "change")]
        paper = [Cell(str(value)) for value in TABLE_7[model]] if model in TABLE_7 else [Cell(), Cell()]
        if (names[1], model) in values:
            lines.append(
                Line(model, (*(_cell(values.get((name, model))) for name in names), *paper, Cell(TEMPLATES[own])))
            )
    columns = ("Caption", "In the template", "Change", "Paper: caption", "Paper: in the template", "Template")
    return Table(f"table-7-{base}", f"The visual words of {CAPTIONS[base]} in a template", columns, tuple(lines))


def _figure_3(base: str, values: Values, models: Sequence[str]) -> Table:
    lines = [_line(str(k), f"verify:{base}/words-{k}:score", values, models) for k in range(3, 8)]
    lines.append(_line("7 less 3, same images", f"verify:{base}/words-7-against-words-3:change", values, models))
    return _table(
        f"figure-3-{base}", "Visual words of the human captions in a template, by their number", models, lines
    )


def _all(base: str, values: Values, models: Sequence[str]) -> Table:
    """A line an experiment; for each scorer its change, the share of wins, and the order-blind ceiling once."""
    names = dict.fromkeys(
        name.split("/", 1)[1].rsplit(":", 1)[0] for name, _ in values if name.startswith(f"verify:{base}/")
    )
    columns = tuple(title for model in models for title in (f"{model}: change", f"{model}: wrong wins"))
    lines = []
    for name in names:
        found = [
            _cell(values.get((f"verify:{base}/{name}:{what}", model)))
            for model in models
            for what in ("change", "wins")
        ]
        ceilings = (values.get((f"verify:{base}/{name}:ceiling", model)) for model in models)
        ceiling = next((row for row in ceilings if row), None)
        if ceiling:
            lines.append(Line(name, (*found, Cell(f"{ceiling.value:.2f}", n=f"n = {ceiling.n:,}"))))
    title = (
        f"What changes of {CAPTIONS[base]} are worth; the last column is the most a scorer blind to order gets right"
    )
    return Table(f"verification-{base}", title, (*columns, "order-blind ceiling"), tuple(lines))


def _table(key: str, caption: str, models: Sequence[str], lines: Sequence[Line]) -> Table:
    return Table(key, caption, tuple(models), tuple(line for line in lines if any(c != Cell() for c in line.cells)))


def _line(title: str, name: str, values: Values, models: Sequence[str]) -> Line:
    return Line(title, tuple(_cell(values.get((name, model))) for model in models))


def _cell(row: Row | None) -> Cell:
    if row is None:
        return Cell()
    if row.value is None:
        return Cell("unavailable", note=row.note.removeprefix("unavailable: "))
    signed = row.name.endswith(":change")
    span = interval(row.ci_low, row.ci_high, signed) if row.ci_low is not None and row.ci_high is not None else ""
    return Cell(number(row.value, signed), span, f"n = {row.n:,}")
