"""The report of a run: headline, sections, and the files beside it."""

import dataclasses
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from probing_vlp.files import atomic_write
from probing_vlp.pages.drawing import Drawing
from probing_vlp.pages.probe_page import ProbePage, Section, write_report
from probing_vlp.pages.tables import Cell, Line, Table
from probing_vlp.pages.wording import listing
from probing_vlp.similarity.report import exhibits, geometry, paper, verdicts
from probing_vlp.similarity.report.participants import participants_table
from probing_vlp.similarity.study.campaign import SHARED, Findings
from probing_vlp.similarity.study.rows import to_csv, to_json

SMALL = "Small encoders, trained on little: they show the method, and say nothing of published models. "
"""True of the encoders that come with the project."""
PROVISO = "A ρ says how alike two orders of distances are, not that a model understands a word."
OWN = {"minilm", "mini-clip", "caption-pairs"}
LAYERS = {
    "crossvalidated": "Layers are chosen on one half of the words and scored on the other.",
    "best3": "The three layers that fit best were chosen on the same words, as in the paper: the numbers are too high.",
    "fixed": "The layer was given beforehand.",
}


def publish(findings: Findings) -> Path:
    """Write results, distances and report under the run's folder; the path of the page."""
    out = findings.config.out
    about = {**_settings(findings), "words": dict(findings.joins)}
    page = build(findings)
    files = geometry.rdm_files(findings)
    for name, content in files.items():
        atomic_write(out / name, content)
    atomic_write(out / "results.csv", to_csv(findings.rows))
    atomic_write(out / "results.json", to_json(findings.rows, about))
    return write_report(out / "report", page, {"results.csv": to_csv(findings.rows)})


def build(findings: Findings) -> ProbePage:
    """The page."""
    mode = findings.config.layer_modes[0]
    judged = verdicts.images(findings.rows, _pairs(findings), findings.main, mode)
    sections = (
        _fit(findings, mode),
        _images(findings, judged, mode),
        _templates(findings, mode),
        _layers(findings),
        _control(findings, mode),
        _halves(findings, mode),
        _spaces(findings),
        _paper(findings),
        _words(findings),
    )
    names = listing([one.name for one in findings.targets])
    words = len(findings.stimuli.words)
    lead = (
        f"{words} nouns, each as a vector of every model and as people rate it. The distances between all pairs of "
        f"nouns are compared: Spearman’s ρ of a model’s cosine distances with those of {names}. All models get text "
        f"only; each stands beside untrained twins of the same architecture. {LAYERS[mode]}"
    )
    says = [sentence for one in judged for sentence in verdicts.images_says(one)[:2]]
    says += _alone(findings, [findings.models[0]], [one.name for one in findings.targets], mode)
    says += verdicts.twins_says(findings.rows, findings.models, findings.main, mode)
    hero = [exhibits.fit_bars(findings, one.name, findings.main, mode) for one in findings.targets]
    return ProbePage(
        "Similarity probe: do word representations mirror human experience and the brain?",
        verdicts.headline(judged),
        lead,
        (SMALL if all(map(_is_own, findings.config.models.values())) else "") + PROVISO,
        tuple(says),
        _drawn(hero),
        tuple(findings.models),
        tuple(section for section in sections if section.tables or section.drawings or section.folded),
        tuple(_provenance(findings)),
        ("results.csv",),
    )


def _fit(findings: Findings, mode: str) -> Section:
    names = [target.name for target in findings.targets]
    subsets = list(dict.fromkeys([findings.main, "all"]))
    tables: list[Table | None] = [
        exhibits.fit_table(findings, name, subset, mode) for subset in subsets for name in names
    ]
    tables += [participants_table(findings, name, findings.main, mode) for name in names]
    others = findings.config.layer_modes[1:]
    folded = [
        exhibits.fit_table(findings, name, subset, other) for other in others for subset in subsets for name in names
    ]
    drawings = [exhibits.condition_chart(findings, name, findings.main, mode) for name in names]
    hint = "95 % intervals over words; p from permuted words, adjusted after Holm. Untrained: mean of the seeds."
    if findings.main == SHARED:
        hint += (
            " “shared” are the words that every model knows: encoders trained on captions know few, most of them "
            "objects. “all” has the models that know nearly all words."
        )
    return Section("fit", "How near is each model?", hint, (), _drawn(drawings), _full(tables), _full(folded))


def _images(findings: Findings, judged: Sequence[verdicts.Images], mode: str) -> Section:
    pairs = list(_pairs(findings).items())
    says = [sentence for one in judged for sentence in verdicts.images_says(one)]
    target = geometry.reference(findings)
    tables = [
        exhibits.difference_table(
            findings,
            pairs,
            findings.main,
            mode,
            "images",
            "The same architecture with and without images: difference in ρ",
        ),
        exhibits.counterpart_table(findings, findings.main, mode),
    ]
    for model, other in pairs:
        found = geometry.effects(findings, model, other)
        if found:
            tables.append(geometry.effects_table(found, model, other, target))
    matched = {frozenset(pair) for pair in pairs}
    unmatched = [
        (model, other)
        for model in findings.models
        for other in findings.models
        if model in findings.config.images and other not in findings.config.images
        if frozenset((model, other)) not in matched
    ]
    if unmatched:
        says += [
            "Models that differ in architecture, size and data too are no evidence on images; for the record:",
            *verdicts.unmatched_says(findings.rows, unmatched, findings.condition, target, findings.main, mode),
        ]
    folded = exhibits.difference_table(
        findings,
        unmatched,
        findings.main,
        mode,
        "unmatched",
        "Unmatched models: difference in ρ, no evidence on images",
    )
    hint = "A difference is seen if its interval leaves out 0 and its adjusted p is below 0.05; else it is not."
    least = verdicts.least_p(findings.rows, findings.config.bootstrap)
    if least >= verdicts.LEVEL:
        hint += f" With {findings.config.bootstrap} draws no adjusted p can be below {least:.2f}: raise --bootstrap."
    return Section("images", "Did images help or hurt?", hint, tuple(says), (), _full(tables), _full([folded]))


def _templates(findings: Findings, mode: str) -> Section:
    names = [target.name for target in findings.targets]
    says = _alone(findings, findings.models, names, mode)
    says += verdicts.shared_says(findings.rows, findings.models, names, findings.main, mode)
    tables = [exhibits.template_table(findings, subset, mode) for subset in dict.fromkeys([findings.main, "all"])]
    hint = (
        "Caption-like sentences differ by category, so any encoder sees a word’s category in what surrounds it. Two "
        "controls: untrained weights, and one sentence of every category for all words alike."
    )
    named = [dataclasses.replace(table, key=f"templates-{i}") for i, table in enumerate(tables, 1)]
    return Section("templates", "What do the templates alone give?", hint, tuple(says), (), _full(named))


def _layers(findings: Findings) -> Section:
    charts = [exhibits.profile_chart(findings, target.name, findings.main) for target in findings.targets]
    hint = f"{findings.condition} sentences; every layer on all words of “{findings.main}”, nothing chosen."
    return Section("layers", "Layer by layer", hint, (), _drawn(charts))


def _control(findings: Findings, mode: str) -> Section:
    table = exhibits.control_table(findings, findings.main, mode)
    says = verdicts.control_says(
        findings.rows, findings.models, findings.experiential, findings.condition, findings.main, mode
    )
    hint = (
        f"What is left of a model once {findings.experiential} is taken out, and of {findings.experiential} once the "
        "model is: the paper’s residual measure (least squares on raw distances, then ranks), and semi-partial and "
        "partial rank correlations."
    )
    return Section("control", "With and without the experiential model", hint, tuple(says), (), _full([table]))


def _halves(findings: Findings, mode: str) -> Section:
    tables = [exhibits.halves_table(findings, mode), exhibits.categories_table(findings, mode)]
    hint = (
        "The paper puts the better fit of events down to their distances being more various; the spread says whether "
        "they are. Models that lack many words are left out here."
    )
    return Section("halves", "Objects and events", hint, (), (), _full(tables[:1]), _full(tables[1:]))


def _spaces(findings: Findings) -> Section:
    hint = (
        f"{findings.condition} sentences, the layer chosen most often; for the eye alone. Rows that have lost their "
        "names would have nonsense for neighbours."
    )
    drawings = geometry.pictures(findings)
    return Section("spaces", "The spaces", hint, (), tuple(drawings), (geometry.neighbours(findings),))


def _paper(findings: Findings) -> Section:
    same = [name for spec, name in paper.SAME.items() if spec in findings.config.models.values()]
    hint = (
        f"Published by {paper.CITATION}: other models and, without their 48 attributes and their fMRI, other data. "
        "Their layers are the best three, chosen on the same words."
    )
    if same:
        hint += f" Here too: {listing(same)}; compare layer mode best3 with the same target only."
    return Section("paper", "The paper’s numbers", hint, (), (), (), tuple(paper.tables()))


def _words(findings: Findings) -> Section:
    lines = tuple(Line(name, (Cell(text),)) for name, text in findings.joins)
    joins = Table("joins", "Joined by word, never by position: what was left out", ("words",), lines, wordy=True)
    return Section("words", "Words and targets", "", (), (), _full([exhibits.targets_table(findings)]), (joins,))


def _alone(findings: Findings, models: Sequence[str], targets: Sequence[str], mode: str) -> list[str]:
    """What templates alone give, each model on the most words that it was scored on."""
    said = []
    for model in models:
        wide = findings.rows.one(model=model, subset="all", measure="spearman", layer_mode=mode)
        subset = "all" if wide is not None else findings.main
        said += verdicts.templates_says(findings.rows, [model], targets, subset, mode)
    return said


def _pairs(findings: Findings) -> dict[str, str]:
    return {
        model: other
        for model, other in findings.config.counterparts.items()
        if {model, other} <= set(findings.config.models)
    }


def _full(tables: Iterable[Table | None]) -> tuple[Table, ...]:
    return tuple(table for table in tables if table is not None and table.lines)


def _drawn(drawings: Iterable[Drawing | None]) -> tuple[Drawing, ...]:
    return tuple(drawing for drawing in drawings if drawing is not None)


def _settings(findings: Findings) -> dict[str, Any]:
    config: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(findings.config), default=str))
    encoders = {space.model: space.extracted.info for space in findings.spaces if space.seed is None}
    return {
        "settings": config,
        "encoders": {model: {key: info[key] for key in info if key != "missing"} for model, info in encoders.items()},
        "targets": {target.name: target.about for target in findings.targets},
        "word_list": findings.stimuli.source,
    }


def _provenance(findings: Findings) -> list[tuple[str, str]]:
    told = _settings(findings)
    return [
        ("words", told["word_list"]),
        *((f"target {name}", about) for name, about in told["targets"].items()),
        *(
            (f"model {model}", f"{findings.config.models[model]}: {json.dumps(info, sort_keys=True)}")
            for model, info in told["encoders"].items()
        ),
        *((name, json.dumps(value)) for name, value in told["settings"].items() if name != "models"),
    ]


def _is_own(model: str) -> bool:
    """Whether it is small: it comes with the project, or `train.py lm` made it."""
    return model in OWN or Path(model, "knowledge.json").is_file()
