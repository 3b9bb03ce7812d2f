"""`probe.py similarity compare A B`: two files compared on their own, JSON for programs and a summary for people.

The summary says what was joined and prints the nearest neighbours of ten words in A and in B: rows that have lost
their names show there, and nowhere else.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from pathlib import Path
from typing import Any

from probing_vlp.errors import UserError, check_least
from probing_vlp.files import atomic_write
from probing_vlp.similarity.distances import measures, norms, readers, tables
from probing_vlp.similarity.distances.comparing import Comparison, compare
from probing_vlp.similarity.distances.joining import JoinReport, join
from probing_vlp.similarity.distances.rdms import Rdms, some

LISTED = 40
"""Words that the JSON names of those that were left out; they are counted in full."""
NEIGHBOURS = 10
"""Words whose nearest neighbours are printed."""


@dataclass
class CompareConfig:
    """What is compared, and how."""

    a: str
    """The model, first after `compare`: embeddings (.npz; FILE:LAYER where it has several), distances (.npz, .h5),
    ratings or similarities (.csv, .tsv, .xlsx, .txt), categories (FILE.csv:COLUMN), or lancaster, the norms."""
    b: str
    """The target, second: the same kinds, and stacks of participants (.npz, .h5, a folder or a pattern of .txt)."""
    control: list[str] = field(default_factory=list)
    """What is removed by the measures residual, semipartial and partial; the same kinds."""
    against: str | None = None
    """A second model, to be compared with A on the same words."""
    measure: str = "spearman"
    """spearman, rho-a, residual (the paper's "partial"), semipartial or partial."""
    metric: str = "cosine"
    """Distance between vectors: cosine, or correlation."""
    permutations: int = 0
    """Orders of the target's words for the Mantel p; 10000 is usual."""
    alternative: str = "greater"
    """What p counts: greater, or two-sided; the JSON has both."""
    bootstrap: int = 0
    """Draws for the 95 % intervals, of words and, for a stack, of participants; 1000 is usual."""
    ceiling: bool = False
    """Demand a noise ceiling: an error for one participant. A stack has one in any case."""
    subset: Path | None = None
    """A list of words (a table, or a word a line) to which everything is restricted."""
    category: list[str] = field(default_factory=list)
    """Of the words of --subset those of these categories."""
    category_column: str = "Category"
    """The column of --subset that --category is about."""
    word_column: str | None = None
    """The column of words in tables; without it the one called word, or the first."""
    drop: list[str] = field(default_factory=list)
    """Columns of numbers that are no ratings."""
    words: Path | None = None
    """Names of the rows of .txt matrices without a first line of words: a table, or a word a line."""
    seed: int = 1
    """Decides permutations and draws."""
    out: Path | None = None
    """Write the JSON there; without it, it is printed."""


def run(config: CompareConfig) -> None:
    """`probe.py similarity compare A B`: JSON on stdout or in a file, a summary for people on stderr."""
    check_least(config, 0, "permutations", "bootstrap", "seed")
    names = readers.read_words(config.words, config.word_column) if config.words else None
    paths = [config.a, config.b, *config.control, *([config.against] if config.against else [])]
    given = [
        norms.lancaster() if path == norms.NAME else readers.read_any(path, config.word_column, config.drop, names)
        for path in paths
    ]
    _check_drop(config.drop, given)
    joined, report = join(*given, within=_subset(config))
    matrices = [each.distances(config.metric) for each in joined]
    made = compare(
        matrices[0], matrices[1], matrices[2 : 2 + len(config.control)], config.measure, config.permutations,
        config.bootstrap, config.seed, alternative=config.alternative, ceiling=config.ceiling,
        against=matrices[-1] if config.against else None,
    )  # fmt: skip
    made = replace(made, join=report)
    record = as_json(made, config, given)
    text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if config.out:
        atomic_write(config.out, text.encode())
    else:
        print(text, end="")
    print("\n".join(_summary(made, given, record, matrices)), file=sys.stderr)


def as_json(made: Comparison, config: CompareConfig, given: Sequence[readers.Labelled]) -> dict[str, Any]:
    """What the command writes; what was not asked for, or does not exist, is null."""
    record = {
        "schema": 1,
        "measure": made.measure,
        "definition": measures.MEASURES[made.measure],
        "value": made.value,
        "p": made.p,
        "alternative": made.alternative,
        "p_greater": made.p_greater,
        "p_two_sided": made.p_two_sided,
        "p_definition": "(1 + permutations that reach the value) / (1 + permutations); the words of B are permuted",
        "permutations": made.permutations,
        "ci_low": made.ci_low,
        "ci_high": made.ci_high,
        "ci_definition": "95 % percentile bootstrap over words",
        "bootstrap": made.draws,
        "n_words": made.n_words,
        "n_pairs": made.n_pairs,
        "n_participants": made.n_participants,
        "ceiling_low": made.ceiling_low,
        "ceiling_high": made.ceiling_high,
        "ceiling_method": made.ceiling_method or None,
        "participants": _people_json(made),
        "against": _rival_json(made, config.against),
        "metric": config.metric,
        "seed": config.seed,
        "inputs": [_input_json(role, each) for role, each in zip(_roles(config), given, strict=True)],
        "join": _join_json(made.join, config),
    }
    return {key: _plain(value) for key, value in record.items()}


def _roles(config: CompareConfig) -> list[str]:
    return ["a", "b", *("control" for _ in config.control), *(["against"] if config.against else [])]


def _people_json(made: Comparison) -> dict[str, Any] | None:
    if made.people is None:
        return None
    people = made.people
    return {
        "group": made.value,
        "group_definition": "measure against the plain mean of the participants' matrices",
        "group_ci_over_participants": people.group_interval._asdict(),
        "mean": people.mean,
        "mean_definition": "mean over participants of the measure against each one's matrix",
        "mean_ci_over_participants": people.mean_interval._asdict(),
        "ceiling_low_ci_over_participants": people.ceiling_lower_interval._asdict(),
        "ceiling_high_ci_over_participants": people.ceiling_upper_interval._asdict(),
        "ceilings": {each.method: {"lower": each.lower, "upper": each.upper} for each in people.bounds},
        "ceiling_definition": "mean over participants of the correlation with the average of the others (lower) or of "
        "all (upper); averages of ranks for spearman and rho-a, of z-scores for corr, of unit lengths for cosine",
        "each": dict(zip(people.names, people.each.tolist(), strict=True)),
    }


def _rival_json(made: Comparison, name: str | None) -> dict[str, Any] | None:
    if made.rival is None:
        return None
    rival = made.rival
    return {
        "model": name,
        "value": rival.value,
        "correlation_of_the_models": rival.between,
        "difference": rival.difference.value,
        "difference_ci_over_words": rival.difference.interval._asdict(),
        "p_over_words": rival.difference.p,
        "over_participants": rival.participants._asdict() if rival.participants else None,
        "closed_forms": {key: test._asdict() for key, test in rival.closed_forms.items()},
        "closed_forms_note": "approximations: n is the number of pairs, which are not independent, so p is too small",
    }


def _input_json(role: str, each: readers.Labelled) -> dict[str, Any]:
    return {
        "role": role,
        "file": each.source,
        "kind": each.kind,
        "words": len(each.words),
        "width": None if each.vectors is None else each.vectors.shape[1],
        "participants": 1 if each.rdms is None else each.rdms.n_rdm,
        "text_columns_left_out": list(each.left_out),
        "notes": list(each.notes),
    }


def _join_json(report: JoinReport, config: CompareConfig) -> dict[str, Any]:
    return {
        "by": "word",
        "orders_differ": report.orders_differ,
        "left_out": [
            {"role": role, "n": len(words), "words": list(words[:LISTED])}
            for role, words in zip(_roles(config), report.left_out, strict=True)
        ],
        "missing_of_the_subset": list(report.missing),
        "near_misses": [list(pair) for pair in report.near_misses],
    }


def _plain(value: Any) -> Any:
    """For JSON: NaN and infinity as null, at any depth."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def _subset(config: CompareConfig) -> tuple[str, ...] | None:
    """The words that --subset and --category leave; None for all."""
    if config.subset is None:
        if config.category:
            raise UserError("--category: needs --subset FILE, a table of words and categories")
        return None
    if not config.category:
        return readers.read_words(config.subset, config.word_column)
    table = tables.read_table(config.subset)
    kinds = table.column(table.place(config.category_column))
    if unknown := [name for name in config.category if name not in kinds]:
        raise UserError(
            f"{config.subset}: no word of category {some(unknown)}; there are {some(sorted(set(kinds)), 20)}"
        )
    words = table.column(table.word_place(config.word_column))
    return tuple(word for word, kind in zip(words, kinds, strict=True) if kind in config.category)


def _check_drop(drop: Sequence[str], given: Sequence[readers.Labelled]) -> None:
    if unknown := [name for name in drop if not any(name in each.dropped for each in given)]:
        raise UserError(f"--drop: no file has a column {some(unknown)}")


def _summary(
    made: Comparison, given: Sequence[readers.Labelled], record: dict[str, Any], matrices: Sequence[Rdms]
) -> list[str]:
    lines = [
        f"{each['role']}: {each['file']}: {each['words']} words, {each['kind']}"
        + (f" of width {each['width']}" if each["width"] else "")
        + (f", {each['participants']} participants" if each["participants"] > 1 else "")
        + (
            f"; columns of text left out: {some(each['text_columns_left_out'])}"
            if each["text_columns_left_out"]
            else ""
        )
        for each in record["inputs"]
    ]
    lines += [f"note: {each.source}: {note}" for each in given for note in each.notes]
    lines += [
        f"left out of {each['role']}: {each['n']} words that another lacks: {some(words, 5)}"
        for each, words in zip(record["join"]["left_out"], made.join.left_out, strict=True)
        if words
    ]
    if made.join.missing:
        lines.append(f"of the subset {len(made.join.missing)} words are missing: {some(made.join.missing, 5)}")
    lines += [f"near miss, not joined: '{one}' / '{other}'" for one, other in made.join.near_misses[:LISTED]]
    order = "in different orders: joined by name" if made.join.orders_differ else "in the same order"
    lines.append(f"shared: {made.n_words} words, {made.n_pairs} pairs, {order}")
    words = made.join.words[:: max(1, made.n_words // NEIGHBOURS)][:NEIGHBOURS]
    near = [readers.nearest_neighbours(each, words) for each in matrices[:2]]
    lines += [f"near {word}: A {', '.join(near[0][word])} | B {', '.join(near[1][word])}" for word in words]
    interval = f" [{made.ci_low:.4f}, {made.ci_high:.4f}]" if isfinite(made.ci_low) else ""
    p = f", p = {made.p:.3g} ({made.alternative}, {made.permutations} permutations)" if made.permutations else ""
    ceiling = f", noise ceiling {made.ceiling_low:.4f} to {made.ceiling_high:.4f}" if made.people else ""
    return [*lines, f"{made.measure}: {made.value:.4f}{interval}{p}{ceiling}"]
