"""What changed captions are worth to a scorer (Ma et al. 2023 section 5), from the file of `probe.py verify`.

Rows have the scorer as their model.  BASE is the caption that was changed, "dump" or "human"; the note holds the
constructed captions of the same photographs for every experiment.

    verify:BASE/EXPERIMENT:original   mean score before the change, over the images that have the construction
    verify:BASE/EXPERIMENT:score      mean score after it
    verify:BASE/EXPERIMENT:change     mean of after - before, paired
    verify:BASE/EXPERIMENT:wins       share of images whose constructed caption scores higher, a tie counts half
    verify:BASE/EXPERIMENT:ceiling    what a scorer blind to word order could get right at most
    verify:BASE/A-against-B:change    mean of score(A) - score(B), paired, over the images that have both
    verify:BASE/EXPERIMENT:net        and :share, of the doses: see `doses`
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from analysis.context import Context
from analysis.verification.doses import net_rows
from analysis.verification.findings import findings
from probing_vlp.errors import UserError
from probing_vlp.experiments.pairs import Pair, Verification, read_verification
from probing_vlp.experiments.summary import CONTRASTS, contrast, summarise
from probing_vlp.pages.results import Row, row, unavailable, write_rows

SHARE = "share of images"


@dataclass
class VerificationConfig:
    """Options of the rows of verifications."""

    files: list[Path] = field(default_factory=list)
    """Files that `probe.py verify` wrote, each of other scorers; they may stand first, without the option's name."""
    out: Path = Path("results")
    """Folder for verification.csv and verification.json."""
    seed: int = 1
    """Seed of the bootstrap intervals."""
    draws: int = 1000
    """Bootstrap draws behind each interval."""


def run(config: VerificationConfig) -> None:
    """Write the rows of all files, and say what becomes of the paper's findings."""
    context = Context({}, list, seed=config.seed, draws=config.draws)
    rows = [found for verification in read_all(config.files) for found in verification_rows(verification, context)]
    csv_path, _ = write_rows(config.out, rows, "verification")
    print(*findings(rows), f"numbers: {csv_path.absolute()}", sep="\n")


def read_all(paths: Sequence[Path]) -> list[Verification]:
    """The files of verifications.  Raises UserError for none, and for a scorer that two of them verify."""
    if not paths:
        raise UserError("name the files that probe.py verify wrote")
    found = [read_verification(path) for path in paths]
    owner: dict[str, Path | None] = {}
    for verification in found:
        for scorer in verification.scorers:
            if scorer in owner:
                raise UserError(
                    f"{verification.path}: {scorer} is verified in {owner[scorer]} too; give one of the two"
                )
            owner[scorer] = verification.path
    return found


def verification_rows(verification: Verification, context: Context) -> list[Row]:
    """All rows of one file, scorer by scorer."""
    groups = verification.groups()
    rows = []
    for scorer in verification.scorers:
        for base in verification.header["bases"]:
            for experiment in verification.header["experiments"]:
                rows += _experiment_rows(
                    verification, groups.get((base, experiment), []), base, experiment, scorer, context
                )
            rows += _contrast_rows(verification, groups, base, scorer, context)
            rows += net_rows(verification, base, scorer, context)
    return rows


def _experiment_rows(
    verification: Verification, pairs: Sequence[Pair], base: str, experiment: str, scorer: str, context: Context
) -> list[Row]:
    name, unit, source = f"verify:{base}/{experiment}", _unit(verification, scorer), _source(verification)
    found = summarise(pairs, scorer, context.generator(name), context.draws)
    if found.change.n == 0:
        why = f"no caption of {len(pairs)} could be scored" if pairs else "no caption offers anything to change"
        return [unavailable(f"{name}:change", scorer, unit, source, why)]
    note = examples(verification, pairs) + (f"; {found.unscored} not scored" if found.unscored else "")
    ceiling = Row(f"{name}:ceiling", scorer, found.ceiling, None, None, found.change.n, SHARE, source, note)
    return [
        row(f"{name}:original", scorer, found.original, unit, source, note),
        row(f"{name}:score", scorer, found.score, unit, source, note),
        row(f"{name}:change", scorer, found.change, unit, source, note),
        row(f"{name}:wins", scorer, found.wins, SHARE, source, note),
        ceiling,
    ]


def _contrast_rows(
    verification: Verification,
    groups: Mapping[tuple[str, str], Sequence[Pair]],
    base: str,
    scorer: str,
    context: Context,
) -> list[Row]:
    rows = []
    for one, other in CONTRASTS:
        left, right = groups.get((base, one)), groups.get((base, other))
        if left and right:
            name = f"verify:{base}/{one}-against-{other}:change"
            estimate = contrast(left, right, scorer, context.generator(name), context.draws)
            if not math.isnan(estimate.value):
                note = f"template {verification.header.get('notation')}" if one.startswith("words-") else ""
                rows.append(row(name, scorer, estimate, _unit(verification, scorer), _source(verification), note))
    return rows


def examples(verification: Verification, pairs: Sequence[Pair]) -> str:
    """The constructed captions of the example photographs: "73: bed a on dog a | 74: ..."."""
    made = {pair.image_id: pair.constructed for pair in pairs}
    return " | ".join(f"{key}: {made[key]}" for key in verification.header.get("examples", ()) if key in made)


def _unit(verification: Verification, scorer: str) -> str:
    return str(verification.header.get("units", {}).get(scorer, "raw score"))


def _source(verification: Verification) -> str:
    header = verification.header
    return f"{__name__}: {header.get('dump')}, seed {header.get('seed')}, template {header.get('template')}"
