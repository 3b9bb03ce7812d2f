"""What else changed, and what the scorer pays for of it: the tables of drift and of habits."""

from collections.abc import Sequence
from dataclasses import replace

from analysis.report.tables import SKIPPED, Exhibit, person
from probing_vlp.pages.results import Row
from probing_vlp.pages.tables import Cell, Found, Line, Table, by_name, cell
from probing_vlp.pages.wording import number

CHAIR = ("chair_i", "chair_s", "chair_i_mentions", "object_recall")
DRIFT = {
    "words": "Words a caption",
    "nouns": "Nouns a caption",
    "nouns_per_word": "Share of nouns among words",
    **{f"repeated_{n}": f"Share of {n}-grams that repeat one of their caption" for n in (1, 2, 3, 4)},
    "doubled_words": "Words said twice running",
    "repeated_nouns": "Share of nouns that repeat one of their caption",
    "bad_ending": "Captions that end in mid-phrase",
    "bad_ending_tag": "… by the part of speech of the last word",
    "empty_captions": "Empty captions",
    "frequent_words": "Share of the 100 words people use most",
    "copied": "Captions copied from the training captions",
    "vocabulary": "Distinct words",
    "vocabulary_1000": "… in 1,000 words",
    "type_token_ratio": "Distinct words a word",
    "hdd": "Diversity of words (HD-D)",
    "distinct_captions": "Share of distinct captions",
    "pairwise_cider": "Likeness of captions of different images (CIDEr)",
    "prefix": "A favourite opening, beyond its share before",
    "connective": "A favourite connective, beyond its share before",
    "connective_rate": "… uses a caption",
    "kl": "KL to the CE model (nats a word)",
    "own_gain": "Gain by the scorer trained on",
    "held_out_gain": "Gain by scorers not trained on",
    "score_gap": "Gap between the two",
    "chair_i": "Hallucinated share of the objects named (CHAIRi)",
    "chair_i_mentions": "… of the mentions",
    "chair_s": "Captions with a hallucinated object (CHAIRs)",
    "object_recall": "Share of the objects there that are named",
}


def drift(rows: Sequence[Row], models: Sequence[str]) -> Exhibit:
    """What else changed: what went beyond its threshold, and folded what stayed within."""
    found = by_name(rows)
    names = dict.fromkeys(row.name for row in rows if row.name.startswith("drift:") or row.name in CHAIR)
    keys = [name.removeprefix("drift:") for name in names]
    columns = tuple(map(person, models))
    beyond, within = list[Line](), list[Line]()
    for key in keys:
        line = Line(DRIFT.get(key, key.replace("_", " ")), tuple(_drifted(found, key, model) for model in models))
        (beyond if any(made.own for made in line.cells) else within).append(line)
    crossed = Table("drift", "Beyond its threshold in some dump; a frame says in which", columns, tuple(beyond))
    rest = Table("drift-within", "Within its threshold, or without one", columns, tuple(within))
    hint = "Thresholds hold what captioners trained on human captions alone differ by." if keys else ""
    missing = "" if keys else SKIPPED.format("drift")
    if keys and not beyond:
        missing = "Nothing went beyond its threshold."
    return Exhibit(
        "drift", "What else changed", hint, (crossed,) * bool(beyond), missing=missing, folded=(rest,) * bool(within)
    )


def _drifted(found: Found, key: str, model: str) -> Cell:
    made = cell(found.get((f"drift:{key}", model)) or found.get((key, model)))
    crossed, change, threshold = (
        found.get((f"{kind}:{key}", model)) for kind in ("crossed", "drift_change", "threshold")
    )
    parts = []
    if change is not None and change.value is not None:
        shown = cell(change, signed=True)
        parts.append(f"change {shown.text}" + (f" ({shown.interval})" if shown.interval else ""))
    if threshold is not None and threshold.value is not None:
        parts.append(f"threshold {number(threshold.value)}")
    return replace(made, own=bool(crossed and crossed.value), note="; ".join(parts) or made.note)


def habits(rows: Sequence[Row], models: Sequence[str]) -> list[Exhibit]:
    """Which habits show in the captions of each dump; nothing where none was judged."""
    found = by_name(row for row in rows if row.name.startswith("habit:"))
    judged = [model for model in models if any(of == model for _, of in found)]
    names = list(dict.fromkeys(name for name, _ in found))
    lines = tuple(
        Line(name.split(":", 1)[1].replace("_", " "), tuple(_habit(found.get((name, model))) for model in judged))
        for name in names
    )
    table = Table("habits", "What changed, and whether the scorer pays for it", tuple(judged), lines, wordy=True)
    return [Exhibit("habits", "Habits, one by one", tables=(table,))] if lines else []


def _habit(row: Row | None) -> Cell:
    if row is None:
        return Cell()
    said = "yes" if row.value else "no" if row.value is not None else row.note.partition(":")[0]
    note = row.note.removeprefix(f"{said}: ")
    return Cell(said, note=note, own=bool(row.value), row=row)
