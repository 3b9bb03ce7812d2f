"""Shares of captions with the prefixes and sentence patterns of Ma et al. 2023, section 4.3 (table 5).

    prefix:MODEL:NAME        captions that begin with that model's prefix
    pattern:MODEL            captions that fit its pattern, by any prefix of the paper
    pattern:MODEL:NAME       the same by a corrected definition
    best_pattern:MODEL       captions that fit it best; "none" where they fit none of the five

The definitions and what they correct are in `analysis.patterns.named`, best is explained in `analysis.patterns.best`.
Every share is one of all captions of the dump: an empty caption fits nothing and counts.  A note holds an example, the
first in the dump.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from analysis.context import Context
from analysis.patterns.best import Fits, fits_of
from analysis.patterns.named import FORMS, MODELS, NOUNS_ALONE, SOURCE
from analysis.patterns.phrases import classify_words, units_of
from analysis.ratios import CAPTIONS, Ratio, ratio_rows
from analysis.reading import Reading, columns_of, readings
from probing_vlp.dump import CaptionDump
from probing_vlp.pages.results import Row

UNIT = "share of captions"
ALONE = "pattern:UNITER:nouns-alone"
EXAMPLE_LENGTH = 120
"""Characters of a caption that a note quotes."""


def classify(reading: Reading) -> Fits:
    """All that a caption fits, and what fits it best."""
    words = classify_words(reading.tags)
    return fits_of(words, units_of(words))


def definitions() -> dict[str, str]:
    """Every name and what it stands for, in the paper's notation."""
    found = {f"prefix:{form.model}:{form.name}": form.prefix for form in FORMS}
    for form in FORMS:
        prefix = "Prefix" if form.name.isdigit() else form.prefix
        found[_pattern_name(form.model, form.name)] = f"{prefix}+{form.loop}"
    best = {f"best_pattern:{model}": f"{model}'s prefix and pattern fit best" for model in (*MODELS, "none")}
    best["best_pattern:none"] = "none of the five models' prefixes and patterns fits"
    return {**found, ALONE: f"{NOUNS_ALONE}, packed", **best}


def ratios() -> dict[str, Ratio]:
    """A share of all captions for every definition."""
    return {name: Ratio(name, CAPTIONS, UNIT, SOURCE, text) for name, text in definitions().items()}


def columns(captions: Sequence[Reading], context: Context) -> Mapping[str, np.ndarray]:
    """1 where a caption fits, else 0, (n,) for every definition."""
    names = {name: i for i, name in enumerate(definitions())}
    table = np.zeros((len(names), len(captions)))
    for i, reading in enumerate(captions):
        table[[names[name] for name in _names(classify(reading))], i] = 1
    return {name: table[row] for name, row in names.items()}


def _names(fits: Fits) -> Iterator[str]:
    yield from {f"prefix:{model}:{name}" for model, name in fits.prefixes}
    yield from {_pattern_name(model, name) for model, name in fits.patterns}
    if fits.nouns_alone:
        yield ALONE
    yield f"best_pattern:{fits.best or 'none'}"


def _pattern_name(model: str, name: str) -> str:
    return f"pattern:{model}" if name.isdigit() else f"pattern:{model}:{name}"


def examples(captions: Sequence[Reading], fitting: Mapping[str, np.ndarray]) -> dict[str, str]:
    """The first caption that fits, by name, cut to a readable length; names that nothing fits are left out."""
    return {name: quote(captions[int(column.argmax())].caption) for name, column in fitting.items() if column.any()}


def quote(caption: str) -> str:
    """A caption as a note shows it."""
    text = " ".join(caption.split())
    return text if len(text) <= EXAMPLE_LENGTH else text[: EXAMPLE_LENGTH - 1] + "…"


def measure(dump: CaptionDump, context: Context) -> list[Row]:
    """The rows of a dump."""
    captions = readings(dump, context)
    found = columns_of(columns, captions, context)
    notes = {name: f"{definitions()[name]}; {text}" for name, text in examples(captions, found).items()}
    return ratio_rows(ratios(), found, dump.name, context, notes)
