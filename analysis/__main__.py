"""Command line of the analyses: one sub-command each, and the report that joins them.

python -m analysis report ce.jsonl mini-clip.jsonl --out report
python -m analysis perplexity captions.json --out numbers
"""

import functools
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

from analysis import ANALYSES
from analysis.context import Context
from analysis.drift import learning
from analysis.drift.drift import use_thresholds
from analysis.habits import naming
from analysis.inputs import (
    Inputs,
    caption_warnings,
    check_english,
    check_folder,
    check_split,
    common_images,
    data_of,
    read_dumps,
)
from analysis.patterns import show as show_patterns
from analysis.patterns.found_patterns import use_baseline
from analysis.report import making
from analysis.report.matrix import matrix_table, print_table
from analysis.scores import reward_scorers, score_rows
from analysis.streams import sums_file, survey
from analysis.verification import rows as verification
from probing_vlp.cli import Command, main
from probing_vlp.errors import UserError
from probing_vlp.lookup import lookup
from probing_vlp.pages.results import Row, write_rows
from probing_vlp.pages.wording import interval, number

FIRST = {"verification": "--files", "habits": "--files", "confusion": "--files", "merge": "--sums"}
"""What the words after a command are, where they are no dumps."""
HELP = {
    "metrics": "BLEU-1..4, METEOR, ROUGE-L, CIDEr and SPICE against the human captions",
    "perplexity": "perplexity under a trigram model of human captions",
    "nouns": "words, nouns and distinct nouns a caption",
    "unigrams": "the ten most frequent words",
    "drift": "vocabulary, repetition, fragments, diversity, copies, objects, KL; and what crossed a threshold",
    "parts": "the ten most frequent nouns, verbs, adjectives and function words",
    "patterns": "the prefixes and sentence patterns of Ma et al. 2023, Table 5",
    "found-patterns": "sentence patterns found in the captions, with their lift over human captions",
}


@dataclass
class Measure(Inputs):
    """Options of one analysis."""

    out: Path = Path("results")
    """Folder for ANALYSIS.csv and ANALYSIS.json."""
    seed: int = 1
    """Seed of the bootstrap intervals."""
    draws: int = 1000
    """Bootstrap draws behind each interval."""


@dataclass
class Drift(Measure):
    """Options of the analysis of drift."""

    thresholds: Path | None = None
    """Limits learned from CE dumps of several seeds (`python -m analysis thresholds`); default: those shipped for the
    embedded data's captioner where the dumps are its, else limits relative to the first dump and the human captions."""


@dataclass
class Found(Measure):
    """Options of the search for patterns."""

    baseline: Path | None = None
    """Dump that the captions are compared with, such as that of the CE model; default: human captions of the same
    images."""


@dataclass
class Matrix:
    """Options of the cross-scorer matrix."""

    dumps: list[Path] = field(default_factory=list)
    """Caption dumps that several scorers have scored; they may stand first, without the option's name.  The first is
    the baseline."""
    out: Path = Path("results")
    """Folder for matrix.csv and matrix.json."""
    seed: int = 1
    """Seed of the bootstrap intervals."""
    draws: int = 1000
    """Bootstrap draws behind each interval."""


def run(config: Measure, name: str) -> None:
    """Measure every dump, then write.  Raises UserError before anything is written."""
    dumps = read_dumps(config.dumps)
    if isinstance(config, Drift):
        check_split(dumps)
        common_images(dumps)
    for dump in dumps:
        check_english(dump)
    check_folder(config.out)
    context = config.context(config.data or data_of(dumps), config.seed, config.draws)
    if isinstance(config, Drift) and config.thresholds is not None:
        use_thresholds(context, config.thresholds)
    if isinstance(config, Found) and config.baseline is not None:
        use_baseline(context, config.baseline)
    measure = lookup(name, ANALYSES, "analysis")
    rows = [row for dump in dumps for row in measure(dump, context)]
    csv_path, _ = write_rows(config.out, rows, name)
    print("\n".join(map(_line, rows)), f"numbers: {csv_path.absolute()}", sep="\n")
    for told in caption_warnings(dumps):
        print(f"warning: {told}", file=sys.stderr)


def run_matrix(config: Matrix) -> None:
    """Means, intervals and differences of all scores that the dumps hold, as a table and as tidy rows."""
    dumps = read_dumps(config.dumps)
    check_split(dumps)
    check_folder(config.out)
    rows = score_rows(dumps, Context({}, list, seed=config.seed, draws=config.draws))
    table = matrix_table(rows, [dump.name for dump in dumps], {dump.name: reward_scorers(dump) for dump in dumps})
    if table is None:
        raise UserError("a matrix needs two dumps and two scorers; score dumps with: python probe.py score --dump DUMP")
    csv_path, _ = write_rows(config.out, rows, "matrix")
    print_table(table)
    print(f"numbers: {csv_path.absolute()}")


def _line(row: Row) -> str:
    if row.value is None:
        return f"{row.model}  {row.name}  {row.note}"
    span = "" if row.ci_low is None or row.ci_high is None else f" ({interval(row.ci_low, row.ci_high)})"
    return f"{row.model}  {row.name}  {number(row.value)}{span}  n = {row.n:,}"


def name_dumps(argv: Sequence[str]) -> list[str]:
    """`metrics A B --out DIR` as `metrics --dumps ["A", "B"] --out DIR`: words up to the first option are dumps, or
    what else a command reads."""
    option = FIRST.get(argv[0], "--dumps") if argv else ""
    dumps = list(takewhile(lambda word: not word.startswith("-"), argv[1:]))
    named = [option, json.dumps(dumps)] if dumps else []
    return [*argv[:1], *named, *argv[1 + len(dumps) :]]


OPTIONS = {"drift": Drift, "found-patterns": Found}
COMMANDS = {
    "report": Command(making.Report, making.run, "one HTML page and its numbers on one or several dumps"),
    "survey": Command(survey.Survey, survey.run, "dumps of any size, chunk by chunk, in several processes"),
    "merge": Command(sums_file.Merge, sums_file.run, "the numbers of several surveys' sums together"),
    "matrix": Command(Matrix, run_matrix, "every dump under every scorer that has scored it"),
    "thresholds": Command(learning.Thresholds, learning.run, "limits of drift from CE dumps of several seeds"),
    "verification": Command(
        verification.VerificationConfig,
        verification.run,
        "what changed captions are worth to scorers, from verify's files",
    ),
    "habits": Command(naming.HabitsConfig, naming.run_habits, "what the captioner fell into that its scorer pays for"),
    "show-patterns": Command(show_patterns.Show, show_patterns.run, "every caption with the patterns that it fits"),
    "confusion": Command(naming.ConfusionConfig, naming.run_confusion, "planted flaws and the habits that were named"),
}
for _name in ANALYSES:
    _measure = functools.partial(run, name=_name)
    COMMANDS[_name] = Command(OPTIONS.get(_name, Measure), _measure, HELP.get(_name, "an analysis of your own"))

if __name__ == "__main__":
    main(
        "python -m analysis",
        "Measure caption dumps: python -m analysis COMMAND DUMP... [options]",
        COMMANDS,
        name_dumps(sys.argv[1:]),
    )
