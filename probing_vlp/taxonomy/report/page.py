"""The page of a taxonomy run: headline, verdicts, figures, and the sections of report_sections.py."""

import csv
import dataclasses
import io
from collections.abc import Mapping
from pathlib import Path

from probing_vlp.pages.probe_page import ProbePage
from probing_vlp.pages.results import FIELDS
from probing_vlp.pages.wording import listing
from probing_vlp.taxonomy.answers.outcomes import is_random
from probing_vlp.taxonomy.report import figures
from probing_vlp.taxonomy.report import sections as report_sections
from probing_vlp.taxonomy.report import tables as report_tables
from probing_vlp.taxonomy.report.measured import TESTS, Measured, Setting
from probing_vlp.taxonomy.report.run_files import RunFiles
from probing_vlp.taxonomy.report.verdicts import headline, verdicts

LEAD = (
    "An image encoder and a language model are frozen; only the map between them is learned, from yes/no questions "
    "about photographs. Hypernym questions (“Is there an animal in this image?”) are taken out of the training step by "
    "step, down to none: what is still answered then must come from the language model. Three controls: a language "
    "model with random weights, labels shuffled among the images, and hypernyms that the language model never read of."
)
SMALL = (
    "{}: a small experiment with a small language model trained here. It shows the method at work; its numbers are not "
    "the paper’s, and are no measure of published models."
)
OTHER = (
    "{}. Its numbers may be held against the paper’s only where encoder, language model, photographs and rules are the "
    "paper’s."
)


def build(files: RunFiles, measured: Measured, photographs: int) -> ProbePage:
    """Everything that the page shows; `photographs` with questions and answers, so many."""
    found = verdicts(measured, files.knowledge)
    full = next(iter(measured.conditions), "")
    lms = [lm for lm in measured.lms if not is_random(lm)]
    systems = [Setting(encoder, lm, "original", full) for encoder in measured.encoders for lm in lms]
    first = [one for one in found if one.part in ("", full) or one.key.startswith(("ignorant", "map"))]
    sections = [
        report_sections.verdict_section(found, first),
        report_sections.condition_section(measured),
        report_sections.map_section(measured),
        report_sections.coherence_section(files, measured, systems),
        report_sections.agreement_section(measured, systems),
        report_sections.hypernym_section(files, measured, systems),
    ]
    if photographs and systems:
        sections.append(report_sections.photograph_section(files, measured, systems[0], photographs))
    return ProbePage(
        title=" · ".join(
            ["Taxonomy report", f"{_images(measured):,} test photographs", *measured.encoders, _lm(files)]
        ),
        headline=headline(found, "The small frozen language model" if files.small else "The frozen language model"),
        lead=LEAD,
        proviso=_proviso(files, measured),
        says=tuple(one.words for one in first),
        hero=tuple(figures.main_figures(measured, measured.encoders[0])),
        series=figures.series(measured),
        sections=tuple(section for section in sections if section.tables or section.drawings or section.extra),
        provenance=tuple(_provenance(files).items()),
        links=("results.csv", "metrics.csv", "concepts.csv"),
    )


def results_csv(page: ProbePage) -> bytes:
    """The rows behind all tables of a page."""
    text = io.StringIO()
    writer = csv.DictWriter(text, FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(dataclasses.asdict(row) for row in report_tables.rows_of(page.tables))
    return text.getvalue().encode()


def _proviso(files: RunFiles, measured: Measured) -> str:
    data = Path(str(files.options.get("images") or "unnamed photographs")).name
    what = f"Encoder {listing(measured.encoders)}, language model {_lm(files)}, photographs of {data}"
    return (SMALL if files.small else OTHER).format(what)


def _lm(files: RunFiles) -> str:
    return Path(str(files.options.get("lm") or "unnamed language model")).name


def _images(measured: Measured) -> int:
    frame = measured.frame
    return int(frame.loc[frame["test"].isin(TESTS), "image"].nunique())


def _provenance(files: RunFiles) -> dict[str, str]:
    kept, told = files.knowledge, dict[str, str]()
    if kept.unknown:
        told["hypernyms the LM never read of"] = ", ".join(sorted(kept.unknown))
    if kept.pairs:
        told["pairs kept out of the LM’s text"] = ", ".join(f"{leaf} – {name}" for leaf, name in sorted(kept.pairs))
    for key, value in files.options.items():
        inner = {f"{key}.{name}": one for name, one in value.items()} if isinstance(value, Mapping) else {key: value}
        told |= {name: str(one) for name, one in inner.items()}
    return told
