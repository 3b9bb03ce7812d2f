"""The sections of the taxonomy report, each from the measured items and what lies beside them."""

import dataclasses
from collections.abc import Sequence

import pandas as pd
from markupsafe import Markup

from probing_vlp.pages.drawing import Drawing
from probing_vlp.pages.probe_page import Section
from probing_vlp.pages.tables import Cell, Line, Table
from probing_vlp.taxonomy.answers import mixed
from probing_vlp.taxonomy.answers.intervals import clustered_mean, generator
from probing_vlp.taxonomy.report import figures, samples, tables
from probing_vlp.taxonomy.report.agreement import agreements
from probing_vlp.taxonomy.report.measured import Measured, Setting
from probing_vlp.taxonomy.report.run_files import RunFiles
from probing_vlp.taxonomy.report.verdicts import Verdict

ASKED = {
    "knows": "Does the LM know its hypernyms by text?",
    "text": "Is it ignorant of what it was not told?",
    "leaves": "Are leaves learned well above chance?",
    "held-out": "Do held-out hypernyms generalise?",
    "ignorant": "Does the VLM fail where the LM knows nothing?",
    "map": "What do shuffled labels do?",
}
"""First part of a verdict's key -> the question."""
LEVELS = ("macro-F1", "chance", "majority line", "random LM")
"""Numbers of a verdict that are no differences."""
CHANCE = (
    "“Above chance” is above the higher of two lines, hypernym by hypernym: always giving the commonest answer, and "
    "giving one’s own answers in random order. Intervals are bootstraps over hypernyms (over leaves for what the LM "
    "does not know). Hypernyms with a single right answer in a test are left out."
)
MAPS = (
    "The label of one leaf is shown with the images of another: of one with the same hypernyms (within), or of any "
    "(across)."
)
COHERENCE = (
    "How alike the training images of a hypernym are to the encoder: mean cosine of pairs. Mixed models by "
    "statsmodels: random intercepts of hypernyms and of seeds, uncorrelated slopes; the paper’s fits by lmer have "
    "correlated ones for the encoder model, and t where z stands here."
)
AGREEMENT = (
    "Pair of leaf and hypernym by pair: is the VLM right where the LM is right by text? Two who are mostly right agree "
    "by that alone; the second column is what that gives."
)


def verdict_section(found: Sequence[Verdict], above: Sequence[Verdict]) -> Section:
    """Every verdict with its numbers; those `above` were said already."""
    made = []
    for key, question in ASKED.items():
        own = [one for one in found if one.key.partition(":")[0] == key]
        names = list(dict.fromkeys(name for one in own for name, _ in one.numbers))
        lines = [Line(_heading(one), tuple(_number(one, name) for name in names)) for one in own]
        made += [Table(f"verdict-{key}", question, tuple(names), tuple(lines))] if lines else []
    says = tuple(one.words for one in found if one not in above)
    return Section("verdicts", "The questions, one by one", CHANCE, says, tables=tuple(made))


def _heading(one: Verdict) -> str:
    what = {"unknown": "unknown hypernyms", "pairs": "kept-out pairs"}.get(one.part, one.part)
    return f"{one.system}{what and ', '}{what}: {one.answer}"


def _number(one: Verdict, name: str) -> Cell:
    estimate = dict(one.numbers).get(name)
    unit = "leaves" if one.part in ("unknown", "pairs") else "concepts"
    if estimate is None:
        return Cell()
    return tables.value_cell(f"{one.key}:{name}", one.system, estimate, unit, name not in LEVELS)


def condition_section(measured: Measured) -> Section:
    """Every condition, test and language model; the other label maps folded."""
    others = [name for name in measured.maps if name != "original"]
    made = [tables.condition_table(measured, encoder) for encoder in measured.encoders]
    folded = [tables.condition_table(measured, encoder, name) for encoder in measured.encoders for name in others]
    drawings: list[Drawing] = []
    for encoder in measured.encoders[1:]:
        drawings += figures.main_figures(measured, encoder)
    title = "Step by step down to none"
    return Section("conditions", title, drawings=tuple(drawings), tables=kept(made), folded=kept(folded))


def map_section(measured: Measured) -> Section:
    """Label maps beside each other."""
    drawings = [drawing for encoder in measured.encoders for drawing in figures.map_figures(measured, encoder)]
    made = [tables.map_table(measured, encoder) for encoder in measured.encoders] if len(measured.maps) > 1 else []
    return Section("maps", "Labels shuffled among the images", MAPS, drawings=tuple(drawings), tables=kept(made))


def coherence_section(files: RunFiles, measured: Measured, systems: Sequence[Setting]) -> Section:
    """Coherence, its correlation with F1, and the mixed models."""
    coherence = files.coherence
    made = [_coherence_table(measured, coherence)] if len(coherence) else []
    fits, drawings = [], list[Drawing]()
    for place, setting in enumerate(systems if len(coherence) else ()):
        drawings += _clouds(measured, setting, coherence, place)
        fits.append((f"mixed-coherence-{place}", _coherence_fit(measured, setting, coherence)))
    if comparison := _system_fit(measured, systems):
        fits.append(("mixed-systems", comparison))
    made += [tables.mixed_table(key, fit) for key, fit in fits]
    says = tuple(f"{fit.formula}: {note}" for _, fit in fits for note in fit.notes)
    return Section("coherence", "Visual coherence", COHERENCE, says, tuple(drawings), kept(made))


def _coherence_table(measured: Measured, coherence: pd.DataFrame) -> Table:
    lines = []
    for name in dict.fromkeys(coherence["map"]):
        own = coherence[coherence["map"] == name]
        cells = []
        for column in ("coherence", "centred"):
            random = generator(measured.seed, "coherence", name)
            estimate = clustered_mean(own[column].to_numpy(float), own["label"].to_numpy(str), random)
            cells.append(tables.value_cell(f"mean {column}", str(name), estimate, "hypernyms"))
        lines.append(Line(f"{name} map", tuple(cells)))
    return Table("coherence", "Mean over hypernyms, by label map", ("as in the paper", "centred"), tuple(lines))


def _clouds(measured: Measured, setting: Setting, coherence: pd.DataFrame, place: int) -> list[Drawing]:
    made = []
    for column, title in (("coherence", "coherence as in the paper"), ("centred", "centred coherence")):
        clouds = [
            _cloud(measured, dataclasses.replace(setting, map=name), coherence, column, colour)
            for colour, name in enumerate(measured.maps, figures.FIRST_MAP)
        ]
        if clouds := [cloud for cloud in clouds if len(cloud.x)]:
            title = f"{setting.lm} LM, {setting.condition}, {title}"
            made.append(figures.coherence_figure(f"coherence-{place}-{column}", title, clouds))
    return made


def _cloud(measured: Measured, setting: Setting, coherence: pd.DataFrame, column: str, colour: int) -> figures.Cloud:
    own = coherence[coherence["map"] == setting.map].groupby("label")[column].mean()
    both = pd.concat([own.rename("x"), measured.values(setting)["macro_f1"].rename("y")], axis=1, join="inner")
    x, y = (both.dropna()[name].to_numpy(float) for name in ("x", "y"))
    return figures.Cloud(setting.map, colour, x, y)


def _coherence_fit(measured: Measured, setting: Setting, coherence: pd.DataFrame) -> mixed.Mixed:
    own = coherence[coherence["map"] == setting.map].groupby("label")["coherence"].mean()
    data = measured.chosen(setting).rename(columns={"concept": "hypernym", "macro_f1": "f1"})
    data = data.assign(coherence=data["hypernym"].map(own))
    alone = measured.by_text(setting.lm)
    if alone is None:
        return mixed.fit(data, "f1", ("coherence",))
    texts = measured.values(alone)["macro_f1"]
    return mixed.fit(data.assign(backbone_f1=data["hypernym"].map(texts)), "f1", ("coherence", "backbone_f1"))


def _system_fit(measured: Measured, systems: Sequence[Setting]) -> mixed.Mixed | None:
    """F1 of held-out hypernyms by encoder and language model, where there are two of one of them."""
    lms = list(dict.fromkeys(setting.lm for setting in systems))
    names = [name for name, values in (("encoder", measured.encoders), ("lm", lms)) if len(values) == 2]
    if not names:
        return None
    chosen = pd.concat([measured.chosen(setting) for setting in systems])
    return mixed.fit(chosen.rename(columns={"concept": "hypernym", "macro_f1": "f1"}), "f1", names, interaction=True)


def agreement_section(measured: Measured, systems: Sequence[Setting]) -> Section:
    """Agreement of every system with its language model."""
    made = [
        tables.agreement_table(found, f"{setting.encoder} + {setting.lm}, {setting.condition}")
        for setting in systems
        if (found := agreements(measured, setting))
    ]
    return Section("agreement", "LM-VLM agreement", AGREEMENT, tables=kept(made))


def hypernym_section(files: RunFiles, measured: Measured, systems: Sequence[Setting]) -> Section:
    """A table an encoder, a line a hypernym."""
    coherence = files.coherence[files.coherence["map"] == "original"]
    first = {setting.encoder: setting for setting in reversed(systems)}
    made = [
        tables.hypernym_table(measured, setting, coherence, agreements(measured, setting), files.knowledge)
        for setting in first.values()
    ]
    return Section("hypernyms", "Hypernym by hypernym", tables=kept(made))


def photograph_section(files: RunFiles, measured: Measured, setting: Setting, count: int) -> Section:
    """Photographs with what was asked and answered."""
    shown = samples.pick(measured, setting, measured.lms, samples.open_index(files.options), count)
    hint = (
        f"Held-out hypernyms, {setting.condition}, first run: photographs at even steps from the worst answered by the "
        f"{setting.lm} LM to the best. Marked: wrong answers."
    )
    if not any(sample.picture for sample in shown):
        hint += " The photographs are not where the run found them."
    extra = samples.gallery(shown, [f"{lm} LM" for lm in measured.lms]) if shown else Markup("")
    return Section("photographs", "Photographs, questions and answers", hint, extra=extra)


def kept(made: Sequence[Table]) -> tuple[Table, ...]:
    """Tables that have a line."""
    return tuple(table for table in made if table.lines)
