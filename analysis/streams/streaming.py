"""Every streaming analysis over some captions at once: a tally of them, and rows from a tally.

STREAMED is the table.  A streaming analysis is a module with

    ratios() -> dict[str, Ratio]
    columns(captions, context) -> {column: (n,)}       numbers that depend on their caption and the context alone

and, where it has them,

    counters(captions, context) -> {name: Counter}     what is counted over a whole dump, by text keys
    counted_rows(counters, model, context) -> [Row]    rows from them; the context of a merge has nothing but its seed
    facts(context) -> {name: text}                     what of the context the numbers hang on: tallies of different
                                                       facts are not merged
    notes({ratio: (sum of top, sum of bottom)}, facts) -> {ratio: note}
"""

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from analysis.context import Context
from analysis.ratios import Ratio, with_captions
from analysis.reading import Reading
from analysis.sums import Moments, Tally, moments
from probing_vlp.errors import UserError
from probing_vlp.pages.results import Row, row, unavailable
from probing_vlp.stats import Estimate

STREAMED = {
    "captions": "analysis.statistics.caption_counts",
    "perplexity": "analysis.statistics.perplexity",
    "nouns": "analysis.statistics.noun_counts",
    "unigrams": "analysis.statistics.unigrams",
    "parts": "analysis.statistics.part_unigrams",
    "patterns": "analysis.patterns.shares",
    "drift": "analysis.drift.drift",
}
Setup = dict[str, dict[str, Any]]
"""By analysis: its ratios and facts, as JSON holds them."""


def module_of(name: str) -> Any:
    """The module of a streaming analysis."""
    return importlib.import_module(STREAMED[name])


def chosen(skip: Sequence[str]) -> list[str]:
    """The names of STREAMED without those to skip.  UserError for one that is not there, or if none is left."""
    if unknown := sorted(set(skip) - set(STREAMED)):
        raise UserError(f"--skip {unknown[0]}: no such streaming analysis; there are {', '.join(STREAMED)}")
    if not (names := [name for name in STREAMED if name not in skip]):
        raise UserError("--skip leaves no analysis")
    return names


def setup_of(names: Sequence[str], context: Context) -> Setup:
    """What the tallies of these analyses hang on."""
    found: Setup = {}
    for name in names:
        module = module_of(name)
        known = module.facts(context) if hasattr(module, "facts") else {}
        found[name] = {"ratios": {key: list(ratio) for key, ratio in module.ratios().items()}, "facts": known}
    return found


def tally_of(names: Sequence[str], captions: Sequence[Reading], context: Context) -> Tally:
    """The tally of some captions; that of none loads what the analyses need."""
    tally = Tally(len(captions))
    for name in names:
        module = module_of(name)
        ratios: dict[str, Ratio] = module.ratios()
        if ratios:
            full = with_captions(module.columns(captions, context))
            tally.moments[name] = {key: moments(full[ratio.top], full[ratio.bottom]) for key, ratio in ratios.items()}
        if hasattr(module, "counters"):
            tally.counters[name] = dict(module.counters(captions, context))
    return tally


def tally_rows(tally: Tally, setup: Mapping[str, Mapping[str, Any]], model: str, context: Context) -> list[Row]:
    """The rows of all analyses of a tally, with the delta method's intervals over captions."""
    rows = []
    for name, about in setup.items():
        module = module_of(name)
        sums = tally.moments.get(name, {})
        ratios = {key: Ratio(*parts) for key, parts in about["ratios"].items()}
        said: Mapping[str, str] = {}
        if hasattr(module, "notes"):
            said = module.notes({key: sums[key].totals() for key in ratios}, about["facts"])
        for key, ratio in ratios.items():
            rows.append(_row(key, model, ratio, sums[key], said.get(key, ratio.note)))
        if name in tally.counters:
            rows += module.counted_rows(tally.counters[name], model, context)
    return rows


def _row(name: str, model: str, ratio: Ratio, sums: Moments, note: str) -> Row:
    if not sums.y:
        return unavailable(name, model, ratio.unit, ratio.source, f"no {ratio.bottom} to divide by", sums.n)
    value, low, high, n = ratio.scaled(sums.estimate())
    if ratio.unit.startswith("share"):  # the normal approximation knows no bounds
        low, high = max(low, 0.0), min(high, 1.0)
    return row(name, model, Estimate(value, low, high, n), ratio.unit, ratio.source, note)
