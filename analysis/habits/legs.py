"""The two legs of a habit, from result rows: did captions change that way, and does the scorer pay for it?

What a leg is, `habits` says.  Here are the rows that it stands on and the words for it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from probing_vlp.pages.results import Row
from probing_vlp.pages.wording import interval, number

MATERIAL = 0.1
"""Share of the difference between right and wrong captions that a gain has to reach: what is less may be sure, and is
too small to lead a captioner anywhere."""
MOST = 0.5
"""Share of a gain that the thing itself has to earn; the rest is what any other words would have earned there."""
BASES = ("dump", "human")
MUTE = "as many words that say nothing"


class Dose(NamedTuple):
    """An experiment and the words for it."""

    what: str
    beyond: str
    """What its net gain is held against."""
    drift: str = ""
    """The key of drift whose note has the words that should have been tried."""


DOSES: Mapping[str, Dose] = {
    "nouns-repeated": Dose("its own nouns once more", MUTE),
    "nouns-wrong": Dose("wrong nouns", MUTE),
    "nouns-appended": Dose("true nouns that the caption lacks", MUTE),
    "fillers-appended": Dose("words that say nothing", ""),
    "prefix-first": Dose(
        "this prefix before other captions", f"{MUTE}, and beyond what its words earn elsewhere", "prefix"
    ),
    "connected": Dose("this connective between phrases", "other connectives there", "connective"),
}
QUANTITIES = {
    "words": "words a caption",
    "nouns": "nouns a caption",
    "nouns_per_word": "share of nouns among words",
    "repeated_nouns": "share of nouns said before",
    **{f"repeated_{n}": f"share of {n}-grams said before" for n in (2, 3, 4)},
    "doubled_words": "share of words said twice running",
    "prefix": "share of captions with a favourite opening",
    "connective": "share of a favourite connective",
    "bad_ending": "share of broken endings",
    "empty_captions": "share of empty captions",
    "vocabulary_1000": "distinct words in 1,000",
    "hdd": "diversity of words",
    "distinct_captions": "share of distinct captions",
    "chair_i": "share of hallucinated objects",
    "chair_s": "share of captions with a hallucinated object",
}
"""What the keys of drift are called in a sentence."""
LENGTH = "fillers-appended"
"""The dose that is judged without a contrast."""
ORDER, FLAWS = "shuffled", {"repeated": "captions said twice", "end-dropped": "captions that break off"}
"""Doses that are judged by what they cost."""


class Leg(NamedTuple):
    """Whether a leg holds (None: not known) and the words for it."""

    holds: bool | None
    said: str


class Found:
    """Rows by name, of one dump and one scorer."""

    def __init__(self, rows: Iterable[Row], model: str, scorer: str) -> None:
        every = list(rows)
        self.model, self.scorer = model, scorer
        self.dump = {row.name: row for row in every if row.model == model}
        self.doses = {row.name: row for row in every if row.model == scorer and row.name.startswith("verify:")}

    def drift(self, key: str, of: str = "drift") -> Row | None:
        """The row "OF:KEY" of the dump if it has a value; CHAIR's values go by their key alone."""
        row = self.dump.get(f"{of}:{key}") or (self.dump.get(key) if of == "drift" else None)
        return row if row and row.value is not None else None

    def dose(self, experiment: str, what: str) -> tuple[str, Row] | None:
        """The base and the row of an experiment: the dump's captions if they were changed, else the human ones."""
        for base in BASES:
            row = self.doses.get(f"verify:{base}/{experiment}:{what}")
            if row and row.value is not None and row.ci_low is not None:
                return base, row
        return None

    def worth(self, base: str) -> float:
        """What captions are worth beyond those of other images; 0 where that was not tried or is less than nothing."""
        row = self.doses.get(f"verify:{base}/other-caption:change")
        return max(0.0, -(row.value or 0.0)) if row else 0.0


def captions_leg(keys: Sequence[str], found: Found) -> Leg:
    """Whether any of these quantities of drift went beyond its threshold."""
    known = [key for key in keys if found.drift(key, "crossed")]
    crossed = [key for key in known if (row := found.drift(key, "crossed")) and row.value and not _fewer(key, found)]
    if not known:
        return Leg(None, "no drift was measured")
    return Leg(bool(crossed), "; ".join(_sign(key, found, bool(crossed)) for key in crossed or known[:1]))


def scorer_leg(doses: Sequence[str], found: Found) -> Leg:
    """Whether the scorer pays for any of these doses."""
    legs = [_blind(found) if dose == ORDER else _paid(dose, found) for dose in doses]
    known = [leg for leg in legs if leg.holds is not None]
    chosen = [leg for leg in known if leg.holds] or known or legs[:1]
    return Leg(any(leg.holds for leg in known) if known else None, "; ".join(leg.said for leg in chosen))


def tolerance(flaws: Sequence[str], found: Found) -> Leg:
    """Whether each of these flaws costs less than MATERIAL of what captions are worth, by the end of the interval."""
    tested = [(flaw, one) for flaw in flaws if (one := found.dose(flaw, "share")) and found.worth(one[0]) > 0]
    if not tested:
        return Leg(None, f"no such flaw was tried on {found.scorer}")
    holds = all(share.ci_high is not None and share.ci_high < MATERIAL for _, (_, share) in tested)
    told = "; ".join(f"{FLAWS[flaw]} cost {_value(share)}" for flaw, (_, share) in tested)
    verb = "does not mind" if holds else "minds"
    return Leg(holds, f"{found.scorer} {verb}: {told} of what another image's caption costs")


def _fewer(key: str, found: Found) -> bool:
    """Whether it was fewer words that crossed: the one quantity that drifts either way."""
    change = found.drift(key, "drift_change")
    return key == "words" and change is not None and (change.value or 0.0) < 0


def _sign(key: str, found: Found, crossed: bool) -> str:
    value, limit = found.drift(key), found.drift(key, "threshold")
    if value is None or limit is None:
        return key
    words = any(dose.drift == key for dose in DOSES.values())
    told = f" ({value.note})" if words and value.note else ""
    gone = found.drift(key, "crossed")
    where = f"{'beyond' if crossed else 'within'} its limit {number(limit.value or 0.0)}"
    if not crossed and gone and gone.value:
        where = "fewer than in CE captions"
    return f"{QUANTITIES.get(key, key.replace('_', ' '))} {number(value.value or 0.0)}, {where}{told}"


def _paid(name: str, found: Found) -> Leg:
    dose, gained = DOSES[name], found.dose(name, "change")
    netted = gained if name == LENGTH else found.dose(name, "net")
    if not gained or not netted:
        return Leg(None, f"no dose of it was tried on {found.scorer}")
    (base, gain), (_, net) = gained, netted
    tried, told = net.note.partition(": ")[2], found.drift(dose.drift)
    if dose.drift and told and f'"{tried}"' not in told.note:
        return Leg(None, f'"{tried}" was tried on {found.scorer}, not the {dose.drift} of these captions')
    least = MATERIAL * found.worth(base)
    sure = all((row.ci_low or 0.0) > 0 and (row.value or 0.0) >= least for row in (gain, net))
    holds = sure and (net.value or 0.0) >= MOST * (gain.value or 0.0)
    beyond = f", {_value(net, True)} beyond {dose.beyond}" if dose.beyond else ""
    verb = "pays for" if holds else "does not pay for"
    if not holds and (net.ci_low or 0.0) > 0:
        verb = "pays too little to count for"
    elif not holds and dose.beyond and (gain.ci_low or 0.0) > 0:
        verb = "pays no more than for other words for"
    return Leg(holds, f"{found.scorer} {verb} {dose.what}: {_value(gain, True)}{beyond}{_scale(found, base)}")


def _blind(found: Found) -> Leg:
    tested = found.dose(ORDER, "share")
    if not tested or found.worth(tested[0]) == 0:
        return Leg(None, f"shuffled captions were not tried on {found.scorer}")
    _, share = tested
    holds = share.ci_high is not None and share.ci_high < MATERIAL
    verb = "does not read" if holds else "reads" if (share.ci_low or 0.0) > MATERIAL else "hardly reads"
    said = f"shuffled words cost {_value(share)} of what another image's caption costs"
    return Leg(holds, f"{found.scorer} {verb} the order of words: {said}")


def _scale(found: Found, base: str) -> str:
    whose = "captions" if base == "dump" else "human captions"
    return f" (right {whose} are worth {number(found.worth(base))} more than wrong ones)" if found.worth(base) else ""


def _value(row: Row, signed: bool = False) -> str:
    span = "" if row.ci_low is None or row.ci_high is None else f" ({interval(row.ci_low, row.ci_high, signed)})"
    return f"{number(row.value or 0.0, signed)}{span}"
