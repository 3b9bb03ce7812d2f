"""Tables and figures of the report, made from rows."""

from collections.abc import Sequence

from probing_vlp.pages import results
from probing_vlp.pages.drawing import Drawing
from probing_vlp.pages.tables import Cell, Line, Table
from probing_vlp.pages.wording import interval, number
from probing_vlp.similarity.report.figures import Bar, Course, bars, courses
from probing_vlp.similarity.study.campaign import Findings
from probing_vlp.similarity.study.rows import Row

SOURCE = "probing_vlp.similarity"


def cell(row: Row | None, signed: bool = False, percent: bool = False) -> Cell:
    """A row as a cell, with its p where there is one; a seen difference is marked by its adjusted p."""
    if row is None:
        return Cell()
    kept = results.Row(row.measure, row.model, row.rho, row.ci_low, row.ci_high, row.n_words, "rho", SOURCE, row.note)
    if row.rho is None:
        return Cell("–", note=row.note, row=kept)
    scale, unit = (100, " %") if percent else (1, "")
    known = row.ci_low is not None and row.ci_high is not None
    span = interval(scale * (row.ci_low or 0.0), scale * (row.ci_high or 0.0), signed) if known else ""
    p = row.p_holm if row.p_holm is not None else row.p
    note = "" if p is None else "p < 0.01" if p < 0.01 else f"p = {p:.2f}"
    return Cell(number(scale * row.rho, signed) + unit, span, note=note, row=kept)


def fit_table(findings: Findings, target: str, subset: str, mode: str) -> Table:
    """Models down, trained and untrained; conditions across."""
    lines = []
    place = {"target": target, "subset": subset, "layer_mode": mode, "measure": "spearman", "versus": ""}
    n = ""
    for model in findings.models:
        for trained in (True, False):
            rows = [
                findings.rows.one(**place, model=model, condition=condition, trained=trained, seed=None)
                for condition in findings.config.conditions
            ]
            if any(rows):
                n = next(f"{row.n_words} words" for row in rows if row)
                lines.append(Line(model if trained else f"{model}, untrained", tuple(map(cell, rows))))
    caption = f"ρ with {target}, {subset}{'' if mode == 'crossvalidated' else ', ' + mode}"
    return Table(_key("fit", target, subset, mode), caption, tuple(findings.config.conditions), tuple(lines), n)


def fit_bars(findings: Findings, target: str, subset: str, mode: str) -> Drawing | None:
    """Every model, trained and untrained, under the main condition; the noise ceiling where there are participants."""
    place = {"target": target, "subset": subset, "layer_mode": mode, "condition": findings.condition, "versus": ""}
    low = findings.rows.one(target=target, subset=subset, measure="ceiling_low")
    high = findings.rows.one(target=target, subset=subset, measure="ceiling_high")
    measure = "participants" if low else "spearman"
    shown = []
    for series, model in enumerate(findings.models):
        trained = findings.rows.one(**place, measure=measure, model=model, trained=True)
        twins = findings.rows.where(**place, measure=measure, model=model, trained=False)
        mean = next((row for row in twins if row.seed is None), twins[0] if twins else None)
        for row, label in ((trained, model), (mean, f"{model}, untrained")):
            if row is not None and row.rho is not None:
                shown.append(Bar(label, series, row.rho, row.ci_low, row.ci_high, row is mean))
    if not shown:
        return None
    ceiling = (low.rho or 0.0, high.rho or 0.0) if low and high else None
    over = "words" if ceiling is None else "participants, of whom these are means; the grey band is their noise ceiling"
    return bars(
        _key("bars", target, subset, mode),
        f"{target}, {findings.condition}",
        f"Spearman’s ρ with {target}, 95 % intervals over {over}.",
        shown,
        ceiling,
    )


def condition_chart(findings: Findings, target: str, subset: str, mode: str) -> Drawing | None:
    """Conditions side by side, trained models and the mean of their twins."""
    place = {"target": target, "subset": subset, "layer_mode": mode, "measure": "spearman", "versus": "", "seed": None}
    conditions = findings.config.conditions
    shown = []
    for series, model in enumerate(findings.models):
        for trained in (True, False):
            rows = [findings.rows.one(**place, model=model, condition=one, trained=trained) for one in conditions]
            if all(row is not None for row in rows):
                kept = [row for row in rows if row is not None]
                low, high = ([getattr(row, end) or row.rho or 0.0 for row in kept] for end in ("ci_low", "ci_high"))
                values = [row.rho or 0.0 for row in kept]
                shown.append(Course(model, series, values, low, high, not trained))
    if not shown or len(conditions) < 2:
        return None
    return courses(
        _key("conditions", target, subset, mode),
        f"{target}: sentences",
        "Spearman’s ρ in each condition; dashed and hollow: untrained twins.",
        shown,
        conditions,
    )


def profile_chart(findings: Findings, target: str, subset: str) -> Drawing | None:
    """A line a model over its layers, the untrained seeds as a band from lowest to highest."""
    place = {"target": target, "subset": subset, "layer_mode": "each", "condition": findings.condition}
    shown = []
    for series, model in enumerate(findings.models):
        own = findings.rows.where(**place, model=model, trained=True)
        values = [row.rho or 0.0 for row in own]
        if len(values) < 2:
            continue
        twins = findings.rows.where(**place, model=model, trained=False)
        by_layer = [[row.rho or 0.0 for row in twins if row.layers == one.layers] for one in own]
        shown.append(Course(model, series, values))
        if all(by_layer):
            means = [sum(layer) / len(layer) for layer in by_layer]
            low, high = [min(layer) for layer in by_layer], [max(layer) for layer in by_layer]
            shown.append(Course(f"{model}, untrained", series, means, low, high, True))
    if not shown:
        return None
    return courses(
        _key("layers", target, subset),
        f"{target}: layers",
        "Spearman’s ρ of every layer, from the embeddings on the left to the last on the right; band: untrained seeds.",
        shown,
        xlabel="depth",
    )


def difference_table(
    findings: Findings, pairs: Sequence[tuple[str, str]], subset: str, mode: str, key: str, caption: str
) -> Table:
    """Pairs of models by target down, conditions across."""
    lines = []
    for model, other in pairs:
        for target in findings.targets:
            rows = [
                next(iter(_differences(findings, model, other, target.name, condition, subset, mode)), None)
                for condition in findings.config.conditions
            ]
            if any(rows):
                title = f"{model} less {other}: {target.name}"
                lines.append(Line(title, tuple(cell(row, signed=True) for row in rows)))
    return Table(key, caption, tuple(findings.config.conditions), tuple(lines))


def _differences(
    findings: Findings, model: str, other: str, target: str, condition: str, subset: str, mode: str
) -> list[Row]:
    place = {"target": target, "condition": condition, "subset": subset, "layer_mode": mode}
    return findings.rows.differences(model, other, **place)


def template_table(findings: Findings, subset: str, mode: str) -> Table:
    """What caption-like sentences give, trained and untrained, and what is left when all words share the sentences."""
    lines = []
    for model in findings.models:
        for target in findings.targets:
            place = {"model": model, "target": target.name, "subset": subset, "layer_mode": mode}
            cells = []
            for condition in ("caption-like", "caption-like-shared"):
                for trained in (True, False):
                    row = findings.rows.one(
                        **place, condition=condition, measure="spearman", versus="", trained=trained, seed=None
                    )
                    cells.append(cell(row))
            cells.append(cell(findings.rows.one(**place, condition="caption-like", measure="share"), percent=True))
            if any(made.row for made in cells):
                lines.append(Line(f"{model}: {target.name}", tuple(cells)))
    columns = ("trained", "untrained", "trained", "untrained", "untrained of trained")
    return Table(
        "templates",
        f"Caption-like sentences: each category its own, and the same for all words; {subset}",
        columns,
        tuple(lines),
        groups=(("by category", 2), ("the same for all", 2), ("by category", 1)),
    )


def control_table(findings: Findings, subset: str, mode: str) -> Table | None:
    """With and without the experiential model, main condition; then the experiential model without each model."""
    lines = []
    measures = ("residual", "semipartial", "partial")
    control = findings.experiential
    for target in findings.targets:
        if target.name == control or not control:
            continue
        place = {
            "target": target.name,
            "subset": subset,
            "layer_mode": mode,
            "condition": findings.condition,
            "trained": True,
        }
        for model in findings.models:
            for name, versus in ((model, control), (control, model)):
                whole = (
                    findings.rows.one(**place, model=name, measure="spearman", versus="")
                    if name == model
                    else _two_targets(findings, control, target.name, subset)
                )
                rows = [whole, *(findings.rows.one(**place, model=name, measure=m, versus=versus) for m in measures)]
                if any(rows[1:]):
                    lines.append(Line(f"{name} without {versus}: {target.name}", tuple(map(cell, rows))))
    if not lines:
        return None
    return Table("control", "With and without the experiential model", ("whole", *measures), tuple(lines))


def _two_targets(findings: Findings, one: str, other: str, subset: str) -> Row | None:
    """In whichever order they stand."""
    place = {"note": "two targets", "subset": subset}
    return findings.rows.one(**place, model=one, target=other) or findings.rows.one(**place, model=other, target=one)


def counterpart_table(findings: Findings, subset: str, mode: str) -> Table | None:
    """The paper's third family: a model trained with images without its counterpart."""
    lines = []
    for model, other in findings.config.counterparts.items():
        for target in findings.targets:
            rows = [
                findings.rows.one(
                    model=model,
                    versus=other,
                    measure="residual",
                    target=target.name,
                    subset=subset,
                    layer_mode=mode,
                    condition=condition,
                )
                for condition in findings.config.conditions
            ]
            if any(rows):
                lines.append(Line(f"{model} without {other}: {target.name}", tuple(map(cell, rows))))
    if not lines:
        return None
    caption = "What a model keeps when its counterpart without images is taken out (residual)"
    return Table("counterparts", caption, tuple(findings.config.conditions), tuple(lines))


def halves_table(findings: Findings, mode: str) -> Table | None:
    """Objects and events, main condition, and the spread of the target's distances in each."""
    lines = []
    for target in findings.targets:
        for model in findings.models:
            place = {"model": model, "condition": findings.condition, "target": target.name, "layer_mode": mode}
            rows = [
                findings.rows.one(**place, subset=half, measure="spearman", versus="", trained=True)
                for half in ("objects", "events")
            ]
            gap = findings.rows.one(**place, subset="events", measure="difference", versus="subset:objects")
            if any(rows):
                lines.append(Line(f"{model}: {target.name}", (*map(cell, rows), cell(gap, signed=True))))
        spread = [
            findings.rows.one(target=target.name, subset=half, measure="spread") for half in ("objects", "events")
        ]
        if all(spread):
            lines.append(Line(f"standard deviation of {target.name}’s distances", (*map(cell, spread), Cell())))
    if not lines:
        return None
    return Table(
        "halves",
        f"Objects and events, {findings.condition}",
        ("objects", "events", "events less objects"),
        tuple(lines),
    )


def categories_table(findings: Findings, mode: str) -> Table | None:
    """Each category by itself, against the experiential target."""
    names = list(dict.fromkeys(findings.stimuli.categories))
    target = findings.experiential or findings.targets[0].name
    place = {"target": target, "layer_mode": mode, "condition": findings.condition, "measure": "spearman", "versus": ""}
    lines = []
    for model in findings.models:
        rows = [findings.rows.one(**place, model=model, subset=name, trained=True) for name in names]
        if any(rows):
            lines.append(Line(model, tuple(map(cell, rows))))
    return Table("categories", f"ρ with {target} inside each category", tuple(names), tuple(lines)) if lines else None


def targets_table(findings: Findings) -> Table | None:
    """Targets with each other."""
    rows = findings.rows.where(note="two targets")
    subsets = [name for name in ("all", "objects", "events", "shared") if any(row.subset == name for row in rows)]
    pairs = list(dict.fromkeys((row.model, row.target) for row in rows))
    lines = tuple(
        Line(
            f"{one} and {other}",
            tuple(
                cell(findings.rows.one(note="two targets", model=one, target=other, subset=name)) for name in subsets
            ),
        )
        for one, other in pairs
    )
    return Table("targets", "Targets with each other, ρ", tuple(subsets), lines) if lines else None


def _key(*parts: str) -> str:
    return "-".join("".join(c if c.isalnum() else "-" for c in part) for part in parts if part)
