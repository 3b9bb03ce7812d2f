"""Tables of the taxonomy report; every number of one stands in results.csv as a row with its n and interval."""

import math
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from probing_vlp.pages.results import Row, row
from probing_vlp.pages.tables import Cell, Line, Table, cell
from probing_vlp.pages.wording import number
from probing_vlp.stats import Estimate
from probing_vlp.taxonomy.answers.mixed import Mixed
from probing_vlp.taxonomy.answers.outcomes import is_random, random_twin
from probing_vlp.taxonomy.report.agreement import Agreement
from probing_vlp.taxonomy.report.controls import Knowledge
from probing_vlp.taxonomy.report.measured import TESTS, Measured, Setting

SOURCE = "probing_vlp.taxonomy"


def value_cell(name: str, model: str, estimate: Estimate, unit: str = "concepts", signed: bool = False) -> Cell:
    """An estimate with its n; a dash where nothing was asked."""
    return cell(row(name, model, estimate, unit, SOURCE), with_n=True, signed=signed) if estimate.n else Cell()


def condition_table(measured: Measured, encoder: str, label_map: str = "original") -> Table:
    """Every condition of every language model under one label map: three tests, chance, and what is above it."""
    lines = []
    for lm in measured.lms:
        random = None if is_random(lm) else random_twin(lm, measured.lms)
        for condition in measured.conditions:
            own = Setting(encoder, lm, label_map, condition)
            model = f"{encoder} + {lm}/{condition}/{label_map}"
            cells = [value_cell(f"macro-F1:{test}", model, measured.mean(replace(own, test=test))) for test in TESTS]
            cells += [
                value_cell("majority:held-out", model, measured.mean(own, "chance")),
                value_cell("shuffled:held-out", model, measured.mean(own, "blind")),
                value_cell("above chance:held-out", model, measured.above_line(own), signed=True),
                value_cell(
                    "above random LM:held-out", model, measured.difference(own, replace(own, lm=random)), signed=True
                )
                if random
                else Cell(),
            ]
            if any(made.row for made in cells):
                lines.append(Line(f"{lm}, {condition}", tuple(cells)))
    columns = (*TESTS, "majority answer", "answers shuffled", "above chance", "above random LM")
    caption = f"Macro-F1, mean over concepts, {label_map} label map, {encoder}"
    return Table(f"conditions-{label_map}{_tag(measured, encoder)}", caption, columns, tuple(lines),
                 groups=(("tests", 3), ("held-out hypernyms beside", 4)))  # fmt: skip


def map_table(measured: Measured, encoder: str) -> Table:
    """Held-out hypernyms under every label map, against the original one."""
    lines = []
    for lm in measured.lms:
        for condition in measured.conditions:
            own = Setting(encoder, lm, "original", condition)
            for name in measured.maps:
                there, model = replace(own, map=name), f"{encoder} + {lm}/{condition}/{name}"
                values = measured.mean(there)
                change = Cell() if name == "original" else value_cell(
                    "against original map", model, measured.difference(there, own), signed=True)  # fmt: skip
                cells = (
                    value_cell("macro-F1:leaves", model, measured.mean(replace(there, test="leaves"))),
                    value_cell("macro-F1:held-out", model, values),
                    value_cell("above chance:held-out", model, measured.above_line(there), signed=True),
                    change,
                )
                if values.n:
                    lines.append(Line(f"{lm}, {condition}, {name}", cells))
    columns = ("leaves", "held-out", "above chance", "against original map")
    return Table(f"maps{_tag(measured, encoder)}", f"Macro-F1 under label maps, {encoder}", columns, tuple(lines))


def hypernym_table(
    measured: Measured, setting: Setting, coherence: pd.DataFrame, agreement: Sequence[Agreement], knowledge: Knowledge
) -> Table:
    """Hypernym by hypernym: each language model, chance, the LM by text, coherence, agreement."""
    scores = {lm: by_hypernym(measured, replace(setting, lm=lm)) for lm in measured.lms}
    lines_of = measured.values(setting)["chance"]
    texts = by_hypernym(measured, measured.by_text(setting.lm))
    joint = next((one.table for one in agreement if one.kind == "joint"), pd.DataFrame())
    lines = []
    for name in sorted(set().union(*scores.values())):
        model = f"{setting.encoder} + {setting.lm}:{name}"
        cells = [_or_dash(f"macro-F1:{lm}", model, scores[lm].get(name), "items") for lm in measured.lms]
        cells.append(Cell() if name not in lines_of.index else Cell(number(lines_of[name])))
        cells.append(_or_dash("LM-only macro-F1", model, texts.get(name), "items"))
        own = coherence[coherence["label"] == name]["centred"].mean() if len(coherence) else math.nan
        cells.append(Cell() if math.isnan(own) else Cell(number(own)))
        cells.append(
            Cell(f"{joint['agreement'][name]:.2f}", n=f"{joint['pairs'][name]} pairs")
            if name in joint.index
            else Cell()
        )
        pairs = sum(pair[1] == name for pair in knowledge.pairs)
        apart = "never read of" if name in knowledge.unknown else f"{pairs} pairs kept out" if pairs else ""
        lines.append(Line(name, (*cells, Cell(apart))))
    columns = (*measured.lms, "majority answer", "LM by text", "coherence, centred", "agreement", "LM’s text")
    caption = f"Macro-F1 of held-out hypernyms, {setting.condition}, original map, mean over seeds, {setting.encoder}"
    return Table(f"hypernyms{_tag(measured, setting.encoder)}", caption, columns, tuple(lines))


def by_hypernym(measured: Measured, setting: Setting | None) -> dict[str, Estimate]:
    """Mean over runs of macro-F1 and of the ends of its interval over items; n is that of one run on average."""
    if setting is None:
        return {}
    chosen = measured.chosen(setting)
    means = chosen.groupby("concept")[["macro_f1", "macro_f1_low", "macro_f1_high", "n"]].mean()
    return {
        str(name): Estimate(float(value), float(low), float(high), round(n))
        for name, value, low, high, n in means.itertuples()
    }


def agreement_table(found: Sequence[Agreement], model: str) -> Table:
    """Agreement over all hypernyms, joint and max, beside what chance gives."""
    titles = {"joint": "right throughout", "max": "right at least once"}
    lines = []
    for one in found:
        cells = (
            value_cell(f"agreement:{one.kind}", model, one.value, "hypernyms"),
            value_cell(f"agreement by chance:{one.kind}", model, one.expected, "hypernyms"),
        )
        lines.append(Line(titles[one.kind], cells))
    caption = f"LM-VLM agreement, mean over hypernyms, {model}"
    return Table(f"agreement-{_key(model)}", caption, ("agreement", "by chance"), tuple(lines))


def mixed_table(key: str, fit: Mixed) -> Table:
    """Fixed effects of a mixed model."""
    lines = []
    for term in fit.terms:
        estimate = Estimate(term.estimate, term.low, term.high, fit.n)
        made = cell(row(f"mixed:{fit.formula}:{term.name}", key, estimate, "rows", SOURCE), signed=True)
        p = "–" if math.isnan(term.p) else f"{term.p:.3f}" if term.p >= 0.001 else "< 0.001"
        lines.append(Line(term.name, (made, Cell("–" if math.isnan(term.z) else f"{term.z:.2f}"), Cell(p))))
    if not lines:
        lines = [Line("no fit", (Cell(" ".join(fit.notes)),))]
    spread = "; ".join(f"{name} {number(value)}" for name, value in fit.variances)
    caption = f"{fit.formula}; variances: {spread or 'none'}; {'converged' if fit.converged else 'NOT converged'}"
    size = f"n = {fit.n} rows of {fit.hypernyms} hypernyms"
    return Table(key, caption, ("estimate", "z", "p"), tuple(lines), size)


def rows_of(tables: Sequence[Table]) -> list[Row]:
    """The rows behind the cells, each once."""
    found = [made.row for table in tables for line in table.lines for made in line.cells if made.row is not None]
    return list(dict.fromkeys(found))


def _or_dash(name: str, model: str, estimate: Estimate | None, unit: str) -> Cell:
    return Cell() if estimate is None else value_cell(name, model, estimate, unit)


def _key(text: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in text.lower())


def _tag(measured: Measured, encoder: str) -> str:
    return f"-{_key(encoder)}" if len(measured.encoders) > 1 else ""
