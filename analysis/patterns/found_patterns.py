"""Patterns found in the captions of a dump (`analysis.patterns.discovery`), and the shares of captions that fit them.

    found_prefix:RANK:REGEX     coverage, a share of all captions of the dump; note: lift, how it was merged, an example
    found_pattern:RANK:REGEX    the same of whole captions
    found_part:RANK:REGEX       the same of n-grams anywhere
    found_lift:RANK:REGEX       coverage over that of the baseline (`analysis.patterns.found.lift_of`)

The search reads at most SAMPLE captions, those of least checksum, so that it is the same in any order and from any
shards (`sample` of samples); coverage is counted over all.  The baseline is one human caption of each image of the
sample, that of least checksum; if there are none, captions of the language model's corpus.  Another dump can take
its place, such as that of the model before training towards a scorer (`use_baseline`).
"""

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from analysis.context import Context
from analysis.patterns.discovery import discover
from analysis.patterns.found import Discovery, FoundPattern, lift_of, units_read
from analysis.patterns.phrases import Word, classify_words
from analysis.patterns.shares import UNIT, examples
from analysis.ratios import CAPTIONS, Ratio, ratio_rows
from analysis.reading import Reading, readings
from probing_vlp.dump import CaptionDump, read_dump
from probing_vlp.pages.results import Row, row
from probing_vlp.pages.wording import number
from probing_vlp.records import CaptionRecord
from probing_vlp.stats import Estimate

SAMPLE = 5000
SOURCE = "analysis.patterns.discovery"
HUMAN = "people"


def sample(captions: Sequence[Reading], limit: int = SAMPLE) -> list[Reading]:
    """The captions of least checksum, at most `limit`; samples of shards may be joined and sampled again."""
    return sorted(captions, key=lambda reading: (_checksum(reading.image_id, reading.caption), reading))[:limit]


def use_baseline(context: Context, path: Path) -> None:
    """Let the captions of a dump be the baseline of all that is found in this context."""
    context.memory["baseline dump"] = read_dump(path)


def baseline(captions: Sequence[Reading], context: Context, limit: int = SAMPLE) -> list[Reading]:
    """One human caption of each image, or of none of them `limit` captions of the corpus; or the dump to be used."""
    if given := context.memory.get("baseline dump"):
        return sample(readings(given, context), limit)
    images = tuple(sorted({reading.image_id for reading in captions} & context.references.keys()))
    told: CaptionDump = context.once(
        ("baseline", images), lambda: CaptionDump(HUMAN, tuple(_human(images, context, limit)))
    )
    return readings(told, context, keep=True)


def _human(images: Sequence[int], context: Context, limit: int) -> list[CaptionRecord]:
    told = [(image, text) for image in images for text in context.references[image]]
    if not told:  # every caption of the corpus as if of an image of its own
        told = sorted(enumerate(context.corpus()), key=lambda pair: (_checksum(0, pair[1]), pair[1]))[:limit]
    chosen = dict(sorted(told, key=lambda pair: (_checksum(*pair), pair[1]), reverse=True))
    return [CaptionRecord(image, text) for image, text in sorted(chosen.items())]


def find(captions: Sequence[Reading], context: Context) -> tuple[Discovery, list[Reading]]:
    """What is found in a sample of captions, and the baseline that it was compared with; searched once."""

    def search() -> tuple[Discovery, list[Reading]]:
        chosen = sample(captions)
        usual = baseline(chosen, context)
        return discover(_words(chosen), _words(usual)), usual

    made: tuple[Discovery, list[Reading]] = context.once_of(captions, "found", search)
    return made


def ratios(discovery: Discovery) -> dict[str, Ratio]:
    """A share of all captions for every pattern."""
    return {name: Ratio(name, CAPTIONS, UNIT, SOURCE, _note(found)) for name, found in named(discovery).items()}


def columns_once(captions: Sequence[Reading], discovery: Discovery, context: Context) -> Mapping[str, np.ndarray]:
    """`columns` of readings that several ask for, made once."""
    # what was found is kept in the same memory: its id names no other
    made: Mapping[str, np.ndarray] = context.once_of(captions, id(discovery), lambda: columns(captions, discovery))
    return made


def columns(captions: Sequence[Reading], discovery: Discovery) -> Mapping[str, np.ndarray]:
    """1 where a caption fits, else 0, (n,) for every pattern."""
    words = _words(captions)
    spelled = discovery.spelling.spell(words, units_read(words))
    return {name: np.array(discovery.spelling.fits(found, spelled), float) for name, found in named(discovery).items()}


def named(discovery: Discovery) -> dict[str, FoundPattern]:
    """Row names, ranked in each kind."""
    names: dict[str, FoundPattern] = {}
    for kind in ("prefix", "pattern", "part"):
        ranked = enumerate((found for found in discovery.patterns if found.kind == kind), 1)
        names |= {f"found_{kind}:{rank}:{found.regex}": found for rank, found in ranked}
    return names


def lift_row(name: str, model: str, fitting: np.ndarray, usual: np.ndarray, baseline_name: str = HUMAN) -> Row:
    """The lift of a pattern from its columns (n,) and (m,) over the dump and the baseline."""
    lift = lift_of(int(fitting.sum()), len(fitting), int(usual.sum()), len(usual))
    text = f"{number(float(usual.mean()) if len(usual) else 0.0)} of {len(usual):,} captions of {baseline_name}"
    name = f"found_lift:{name.partition(':')[2]}"
    return row(name, model, Estimate(*lift, len(fitting)), "ratio of shares", SOURCE, text)


def measure(dump: CaptionDump, context: Context) -> list[Row]:
    """Coverage and lift of everything that is found in a dump."""
    captions = readings(dump, context)
    discovery, human = find(captions, context)
    found, usual = (columns_once(each, discovery, context) for each in (captions, human))
    shown = examples(captions, found)
    notes = {name: f"{_note(pattern)}; e.g. {shown.get(name, '')}" for name, pattern in named(discovery).items()}
    shares = ratio_rows(ratios(discovery), found, dump.name, context, notes) if found else []
    given = context.memory.get("baseline dump")
    whose = given.name if given else HUMAN
    return [*shares, *(lift_row(name, dump.name, found[name], usual[name], whose) for name in found)]


def _note(found: FoundPattern) -> str:
    return f"lift {number(found.lift)}; {', '.join(found.steps)}"


def _words(captions: Sequence[Reading]) -> list[tuple[Word, ...]]:
    return [classify_words(reading.tags) for reading in captions]


def _checksum(image_id: int, text: str) -> int:
    return zlib.crc32(f"{image_id} {text}".encode())
