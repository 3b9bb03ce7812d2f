"""The first screen of a report: what the scorer mistakes for a match, in a sentence.

The sentence comes from the rows of `habits.verdicts`.  A habit is named if the captions changed that way and the scorer
pays for it; "suspected" are changes that the scorer was not asked about.  Where there is neither, the page asks its
question (and `analysis.report.answers` has what rose and what it cost).
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from analysis.habits.verdicts import HABITS as PAID
from analysis.habits.verdicts import SIDE_EFFECTS
from probing_vlp.pages.results import Row
from probing_vlp.pages.wording import listing

HABITS = {
    "noun_piling": "piled-up nouns",
    "prefix": "a stock opening",
    "length": "length",
    "order_blind": "words in any order",
    "connective": "a pet connective",
}
EXACT = {"prefix": "the opening “{}”", "connective": "the word “{}”"}
"""How a habit is called whose drift row quotes the words."""


FREE = {"repetition": "repetition", "fragments": "broken endings"}
"""How a flaw is called that the scorer does not mind."""


class Verdict(NamedTuple):
    """What the captions of a dump say of the scorer that they were trained to please."""

    model: str
    scorer: str
    named: tuple[str, ...]
    """Habits that the scorer pays for, as the headline calls them."""
    suspected: tuple[str, ...]
    """Changes that the scorer was not asked about."""
    effects: tuple[str, ...]
    """What came with it."""
    tolerated: tuple[str, ...] = ()
    """Flaws that the captions fell into and the scorer charges nothing for."""
    lists: bool = False
    """Whether captions name more nouns and the scorer pays for true ones."""
    keys: tuple[str, ...] = ()
    """Keys of `named` in the table of habits."""


def verdicts(rows: Sequence[Row], models: Sequence[str], rewards: Mapping[str, Sequence[str]]) -> list[Verdict]:
    """One for each dump with habit rows; `rewards` are the scorers that each is judged by."""
    found = []
    for model in models:
        own = {row.name: row for row in rows if row.model == model}
        judged = {name: row for name in PAID if (row := own.get(f"habit:{name}"))}
        if judged and rewards.get(model):
            called = {name: _called(name, own) for name in judged}
            named = tuple(called[name] for name, row in judged.items() if row.value)
            suspected = tuple(called[name] for name, row in judged.items() if row.note.startswith("suspected"))
            effects = tuple(
                effect.words for name, effect in SIDE_EFFECTS.items() if (row := own.get(f"habit:{name}")) and row.value
            )
            free = tuple(word for name, word in FREE.items() if (row := own.get(f"tolerated:{name}")) and row.value)
            lists = bool((row := own.get("paid:true_nouns")) and row.value)
            scorer = listing(list(rewards[model]))
            keys = tuple(name for name, row in judged.items() if row.value)
            found.append(Verdict(model, scorer, named, suspected, effects, free, lists, keys))
    return found


def _called(name: str, rows: Mapping[str, Row]) -> str:
    """The habit in words, with the words themselves where the drift row quotes them."""
    row = rows.get(f"drift:{name}")
    quoted = re.search(r'"([^"]+)"', row.note) if row and name in EXACT else None
    return EXACT[name].format(quoted[1]) if quoted else HABITS.get(name, name.replace("_", " "))


def by_scorer(judged: Sequence[Verdict]) -> list[Verdict]:
    """One verdict a scorer: what holds for more than half of the captioners that were trained to please it."""
    found = []
    for scorer in dict.fromkeys(one.scorer for one in judged):
        own = [one for one in judged if one.scorer == scorer]
        parts = ("named", "suspected", "effects", "tolerated", "keys")
        named, suspected, effects, free, keys = (_most([getattr(one, part) for one in own]) for part in parts)
        lists = 2 * sum(one.lists for one in own) > len(own)
        found.append(Verdict(listing([one.model for one in own]), scorer, named, suspected, effects, free, lists, keys))
    return found


def _most(parts: Sequence[Sequence[str]]) -> tuple[str, ...]:
    counts = Counter(text for part in parts for text in part)
    return tuple(text for text, count in counts.items() if count > len(parts) / 2)


def headline(judged: Sequence[Verdict], scorers: Sequence[str]) -> str:
    """What the page says first, from a verdict a scorer; a question where nothing was judged."""
    if len(judged) == 1:
        return sentence(judged[0])
    for verb, part in (("mistake", "named"), ("may mistake", "suspected")):
        counts = Counter(text for one in judged for text in getattr(one, part))
        most = max(counts.values(), default=0)
        if most > 1:
            shared = listing([text for text, count in counts.items() if count == most])
            return f"{most} of {len(judged)} scorers {verb} {shared} for a match"
        owners = [one for one in judged if getattr(one, part)]
        if owners:
            what = f"What {listing([one.scorer for one in owners])} {verb} for a match"
            return what if len(owners) > 1 else sentence(owners[0])
    if several := [one for one in judged if one.lists]:
        return f"{len(several)} of {len(judged)} scorers take a list of things for a match"
    if counts := Counter(text for one in judged for text in one.tolerated):
        flaw, most = counts.most_common(1)[0]
        return f"{most} of {len(judged)} scorers {'do' if most > 1 else 'does'} not mind {flaw}"
    return f"What does {listing(scorers)} take for a good caption?" if scorers else "How do these captions differ?"


def sentence(one: Verdict) -> str:
    """A verdict in a sentence."""
    if one.named:
        return f"{one.scorer} mistakes {listing(one.named)} for a match"
    if one.suspected:
        return f"{one.scorer} may mistake {listing(one.suspected)} for a match"
    free = f"does not mind {listing(one.tolerated)}" if one.tolerated else ""
    if one.lists:
        return f"{one.scorer} takes a list of things for a match{free and f', and {free}'}"
    return f"{one.scorer} {free}" if free else f"No bad habit of {one.scorer} shows in these captions"


def proviso(one: Verdict) -> str:
    """What the sentence of a verdict leaves out."""
    parts = []
    if one.suspected and not one.named:
        parts.append("The captions changed that way; whether the scorer pays for it was not tried (probe.py verify).")
    elif one.suspected:
        parts.append(f"Also changed, and not tried on the scorer: {listing(one.suspected)}.")
    if one.effects:
        how = "With it came" if one.named or one.suspected else "The captions drifted to"
        parts.append(f"{how} {listing(one.effects)}.")
    if one.tolerated and (one.named or one.suspected):
        parts.append(f"It does not mind {listing(one.tolerated)}.")
    return " ".join(parts)
