"""The participants of a target one by one: what models reach on the average, between which bounds a best one would."""

from collections.abc import Sequence

from probing_vlp.pages.tables import Line, Table
from probing_vlp.similarity.report.exhibits import cell
from probing_vlp.similarity.study.campaign import Findings
from probing_vlp.similarity.study.rows import Row


def participants_table(findings: Findings, target: str, subset: str, mode: str) -> Table | None:
    """Models down, conditions across; then the noise ceiling, and paired differences between models."""
    place = {"target": target, "subset": subset, "layer_mode": mode}
    lines = []
    for model in findings.models:
        for trained in (True, False):
            title = model if trained else f"{model}, untrained (seed 1)"
            seed = None if trained else 1
            rows = _across(findings, **place, model=model, measure="participants", trained=trained, seed=seed)
            lines += _line(title, rows)
    if not lines:
        return None
    for end, title in (("ceiling_low", "noise ceiling, lower"), ("ceiling_high", "noise ceiling, upper")):
        row = findings.rows.one(target=target, subset=subset, measure=end)
        lines += _line(title, [row] * len(findings.config.conditions))
    for model in findings.models:
        for other in findings.models:
            wanted = {**place, "model": model, "versus": f"model:{other}", "measure": "participants difference"}
            lines += _line(f"{model} less {other}", _across(findings, **wanted), signed=True)
    people = next(one.participants for one in findings.targets if one.name == target)
    caption = f"ρ with each of the {people} participants of {target}, mean; intervals over participants, p of paired t"
    return Table(f"people-{target}-{subset}", caption, tuple(findings.config.conditions), tuple(lines))


def _across(findings: Findings, **wanted: object) -> list[Row | None]:
    return [findings.rows.one(**wanted, condition=condition) for condition in findings.config.conditions]


def _line(title: str, rows: Sequence[Row | None], signed: bool = False) -> list[Line]:
    return [Line(title, tuple(cell(row, signed=signed) for row in rows))] if any(rows) else []
