"""Captions one by one: classes of words, phrases, and every prefix and pattern of Ma et al. 2023 that they fit.

python -m analysis show-patterns captions.json

7  a man riding a horse in a field
   words     a/DET man/NOUN riding/REL a/DET horse/NOUN in/REL a/DET field/NOUN
   phrases   NOUN.P REL NOUN.P REL NOUN.P
   prefixes  LXMERT 1, UNITER 1
   patterns  LXMERT
   packed    none
   best      none: no sign of packing: plain English has this form too
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analysis.context import Context
from analysis.inputs import read_dumps
from analysis.patterns.named import MARKED_NOUNS, MODELS, WORDS
from analysis.patterns.phrases import ARTICLES, PHRASE, Unit, classify_words, units_of, without_repeats
from analysis.patterns.shares import classify
from analysis.reading import Reading, read
from probing_vlp.dump import CaptionDump
from probing_vlp.errors import UserError, check_least
from probing_vlp.files import atomic_write, read_bytes
from probing_vlp.records import CaptionRecord


@dataclass
class Show:
    """Options of the listing."""

    dumps: list[Path] = field(default_factory=list)
    """Caption dumps, COCO results files, or texts (.txt) of one caption a line; they may stand first, without the
    option's name."""
    most: int = 100
    """Captions listed of each dump, the first ones; 0 lists all.  The shares at the end are over all."""
    out: Path | None = None
    """JSON file for the same, of every caption."""


def run(config: Show) -> None:
    """Print every caption with what it fits, then how many fit which model best."""
    check_least(config, 0, "most")
    if config.out is not None and config.out.is_dir():
        raise UserError(f"--out {config.out}: is a folder; name a JSON file")
    context = Context({}, list)
    found = []
    for dump in map(_read, config.dumps) if config.dumps else read_dumps([]):
        shown = [facts(reading) for reading in read(dump.records, context)]
        for one in shown[: config.most or None]:
            print(_text(one))
        best = Counter(one["best"] for one in shown)
        shares = ", ".join(f"{model} {best[model]}" for model in (*MODELS, "none") if best[model])
        print(f"{dump.name}: best of {len(shown)} captions: {shares}")
        found += [{"dump": dump.name, **one} for one in shown]
    if config.out is not None:
        atomic_write(config.out, (json.dumps(found, indent=1, ensure_ascii=False) + "\n").encode())


def _read(path: Path) -> CaptionDump:
    if path.suffix != ".txt":
        return read_dumps([path])[0]
    try:
        lines = read_bytes(path, "text of captions", "write one caption a line").decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not a text in UTF-8 ({error}); write one caption a line") from None
    return CaptionDump(path.stem, tuple(CaptionRecord(i, line) for i, line in enumerate(lines, 1)), {}, path)


def facts(reading: Reading) -> dict[str, Any]:
    """What is shown of a caption."""
    words = classify_words(reading.tags)
    fits = classify(reading)
    return {
        "image_id": reading.image_id,
        "caption": reading.caption,
        "words": [f"{word}/{name}" for word, name in words],
        "phrases": [_phrase(unit) for unit in without_repeats(units_of(words))],
        "prefixes": sorted(f"{model} {name}" for model, name in fits.prefixes),
        "patterns": sorted(
            [model if name.isdigit() else f"{model} {name}" for model, name in fits.patterns]
            + ["UNITER nouns-alone"] * fits.nouns_alone
        ),
        "packed": list(fits.signs),
        "best": fits.best or "none",
        "why": fits.why,
    }


def _phrase(unit: Unit) -> str:
    if unit.kind == PHRASE:
        named = next((f"{noun.upper()}.P" for noun in MARKED_NOUNS if noun in unit.nouns), PHRASE)
        return f"a+{named}" if named != PHRASE and unit.words[0] in ARTICLES else named
    return unit.words[0] if set(unit.words) <= set(WORDS) and len(set(unit.words)) == 1 else unit.kind


def _text(one: dict[str, Any]) -> str:
    def listed(parts: Sequence[str], joint: str = ", ") -> str:
        return joint.join(parts) or "none"

    return "\n".join(
        (
            f"{one['image_id']}  {one['caption']}",
            f"   words     {listed(one['words'], ' ')}",
            f"   phrases   {listed(one['phrases'], ' ')}",
            f"   prefixes  {listed(one['prefixes'])}",
            f"   patterns  {listed(one['patterns'])}",
            f"   packed    {listed(one['packed'])}",
            f"   best      {one['best']}: {one['why']}",
        )
    )
