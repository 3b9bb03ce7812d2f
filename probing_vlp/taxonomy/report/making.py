"""`probe.py taxonomy report RUN`: what a run says, in words with intervals, on one page with figures and tables.

    python probe.py taxonomy report runs/taxonomy

RUN/report/index.html and beside it results.csv (every number of a table), metrics.csv and concepts.csv (as of `taxonomy
metrics`), tables/ and figures/.  Everything comes from the results file; coherence, photographs and what the language
model was told are taken from beside it where they are (run_files.py).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from probing_vlp.errors import check_least

if TYPE_CHECKING:
    from probing_vlp.pages.probe_page import ProbePage


@dataclass
class ReportConfig:
    """Options of `probe.py taxonomy report`."""

    run: Path = Path("runs/taxonomy")
    """Folder of a run: items.csv.gz, and coherence.csv, config.yaml, knowledge.json where they are."""
    out: Path | None = None
    """Folder for the report; by itself RUN/report."""
    lm_only: Path | None = None
    """Answers of the language model by text alone; by itself lm-only.csv.gz in RUN or in the model's folder."""
    photographs: int = 6
    """Photographs to show with questions and answers."""
    seed: int = 1
    """Of the bootstrap intervals."""

    def __post_init__(self) -> None:
        check_least(self, 0, "photographs", "seed")


def run(config: ReportConfig) -> None:
    """Read, measure, write."""
    from probing_vlp.pages.probe_page import write_report
    from probing_vlp.taxonomy.answers import aggregates, metrics_command, outcomes
    from probing_vlp.taxonomy.report import page as report_page
    from probing_vlp.taxonomy.report.measured import measure
    from probing_vlp.taxonomy.report.run_files import read_run

    files = read_run(config.run, config.lm_only)
    measured = measure(files.items, str(config.run), config.seed)
    page: ProbePage = report_page.build(files, measured, config.photographs)
    by = outcomes.varying(files.items, outcomes.DESIGN)
    counts = outcomes.count_units(files.items, by)
    rows = aggregates.aggregate(counts, by, measured.positive, config.seed)
    tables = metrics_command.as_tables(by, rows, outcomes.concept_table(counts, measured.positive))
    beside = {f"{name}.csv": metrics_command.as_csv(table) for name, table in tables.items()}
    beside["results.csv"] = report_page.results_csv(page)
    written = write_report(config.out or config.run / "report", page, beside)
    print(page.headline)
    print(f"report: {written.absolute()}")
