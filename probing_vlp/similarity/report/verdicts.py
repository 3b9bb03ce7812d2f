"""What the rows of a run say in words, by rules that are the same for any rows.

- A difference counts as seen if its 95 % interval leaves out 0 and its p, adjusted after Holm, is below 0.05.
- Images *helped* a model where it lies above its counterpart, the same architecture trained on captions alone, and
  *hurt* it where it lies below; the answer for all targets and conditions is what holds where anything is seen.
- A model is *above its untrained twin* where its difference from the mean of the twins is seen and positive.
- What caption-like templates give by themselves is the correlation of the untrained twins, and its share of the
  trained model's.
Nothing seen is said as such, with the interval: it is not the same as no difference.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from probing_vlp.pages.wording import interval, listing, number
from probing_vlp.similarity.study.rows import Row, Rows

LEVEL = 0.05
CAPTIONS = "caption-like"
SHARED = "caption-like-shared"


class Images(NamedTuple):
    """What images did to a model, by comparison with its counterpart."""

    model: str
    counterpart: str
    helped: tuple[Row, ...]
    hurt: tuple[Row, ...]
    neither: tuple[Row, ...]

    @property
    def word(self) -> str:
        """ "helped", "hurt", "mixed" or "no difference seen"."""
        if self.helped and self.hurt:
            return "mixed"
        return "helped" if self.helped else "hurt" if self.hurt else "no difference seen"

    @property
    def every(self) -> tuple[Row, ...]:
        """All comparisons."""
        return (*self.helped, *self.hurt, *self.neither)


def seen(row: Row) -> int:
    """1 if a difference is seen and positive, -1 if negative, else 0."""
    if row.ci_low is None or row.ci_high is None or row.p_holm is None or row.p_holm >= LEVEL:
        return 0
    return 1 if row.ci_low > 0 else -1 if row.ci_high < 0 else 0


def least_p(rows: Rows, draws: int) -> float:
    """The smallest adjusted p that the largest family of differences between models can have with so many draws."""
    families = Counter(
        (row.target, row.subset, row.condition, row.layer_mode)
        for row in rows
        if row.measure == "difference" and row.versus.startswith("model:")
    )
    return 2 * max(families.values(), default=0) / (1 + draws)


def images(rows: Rows, pairs: Mapping[str, str], subset: str, layer_mode: str) -> list[Images]:
    """One verdict for each pair (trained on images, its counterpart without)."""
    found = []
    for model, counterpart in pairs.items():
        differences = rows.differences(model, counterpart, subset=subset, layer_mode=layer_mode)
        ways = [seen(row) for row in differences]
        helped, hurt, neither = (
            tuple(row for row, way in zip(differences, ways, strict=True) if way == wanted) for wanted in (1, -1, 0)
        )
        if differences:
            found.append(Images(model, counterpart, helped, hurt, neither))
    return found


def headline(verdicts: Sequence[Images]) -> str:
    """The answer in a sentence."""
    if not verdicts:
        return "How near are these models to human experience?"
    said = {one.word for one in verdicts}
    names = listing([one.model for one in verdicts])
    if said == {"helped"}:
        return f"Training on images brought {names} nearer to human experience"
    if said == {"hurt"}:
        return f"Training on images took {names} further from human experience"
    if said == {"no difference seen"}:
        return f"No difference is seen between {names} and the same encoder trained without images"
    return f"Images helped and hurt {names}: it depends on the target and the sentence"


def images_says(one: Images) -> list[str]:
    """The verdict on a pair, and the comparisons behind it."""
    among = f"{one.model} and {one.counterpart} (its counterpart without images)"
    counts = [
        f"nearer in {len(one.helped)}" if one.helped else "",
        f"further off in {len(one.hurt)}" if one.hurt else "",
        f"no difference seen in {len(one.neither)}" if one.neither else "",
    ]
    told = listing([part for part in counts if part])
    lead = f"Of {len(one.every)} comparisons of {among}, {one.model} is {told}."
    if one.word == "no difference seen":
        lead = f"In none of {len(one.every)} comparisons of {among} is a difference seen; that is not proof of none."
    strongest = sorted(one.every, key=lambda row: (-abs(seen(row)), -abs(row.rho or 0)))[:3]
    return [lead, *(f"{_where(row)}: {_difference(row)}." for row in strongest)]


def templates_says(rows: Rows, models: Sequence[str], targets: Sequence[str], subset: str, mode: str) -> list[str]:
    """What the caption-like sentences alone give an untrained encoder, a sentence a model and target."""
    said = []
    for model in models:
        for target in targets:
            place = {"model": model, "condition": CAPTIONS, "target": target, "subset": subset, "layer_mode": mode}
            untrained = rows.one(**place, trained=False, seed=None, measure="spearman")
            share = rows.one(**place, measure="share")
            trained = rows.one(**place, trained=True, measure="spearman")
            if untrained is None or trained is None:
                continue
            text = f"Caption-like templates alone give an untrained {model} ρ = {_value(untrained)} with {target}"
            if share is not None and share.ci_low is not None:
                text += f": {_percent(share)} of the trained one’s {number(trained.rho or 0.0)}"
            else:
                text += f"; the trained one has {number(trained.rho or 0.0)}"
            said.append(text + ".")
    return said


def twins_says(rows: Rows, models: Sequence[str], subset: str, mode: str) -> list[str]:
    """Whether each model is above its untrained twin, over conditions and targets."""
    said = []
    for model in models:
        found = rows.where(model=model, measure="difference", versus="untrained", subset=subset, layer_mode=mode)
        above = [row for row in found if seen(row) == 1]
        below = [row for row in found if seen(row) == -1]
        if not found:
            continue
        if len(above) == len(found):
            said.append(f"{model} is above its untrained twin everywhere ({len(found)} of {len(found)} comparisons).")
            continue
        rest = [row for row in found if seen(row) != 1]
        worst = min(rest, key=lambda row: row.rho or 0.0)
        but = f"below in {len(below)}, " if below else ""
        said.append(
            f"{model} is above its untrained twin in {len(above)} of {len(found)} comparisons, {but}not in "
            f"{_where(worst)}: {_difference(worst)}."
        )
    return said


def shared_says(rows: Rows, models: Sequence[str], targets: Sequence[str], subset: str, mode: str) -> list[str]:
    """What of that is left of an untrained encoder when all words get the same sentences."""
    said = []
    for target in targets:
        found = []
        for model in models:
            place = {"model": model, "condition": SHARED, "target": target, "subset": subset, "layer_mode": mode}
            row = rows.one(**place, trained=False, seed=None, measure="spearman")
            if row is not None:
                found.append(f"{model} {_value(row)}")
        if found:
            said.append(
                f"With the same caption-like sentences for all words, untrained, ρ with {target}: {'; '.join(found)}."
            )
    return said


def unmatched_says(
    rows: Rows, pairs: Sequence[tuple[str, str]], condition: str, target: str, subset: str, mode: str
) -> list[str]:
    """Models that differ in more than images, a sentence a pair: no evidence on images."""
    place = {"condition": condition, "target": target, "subset": subset, "layer_mode": mode}
    return [
        f"{model} less {other}, {_where(row)}: {_difference(row)}."
        for model, other in pairs
        for row in rows.differences(model, other, **place)
    ]


def control_says(
    rows: Rows, models: Sequence[str], experiential: str, condition: str, subset: str, mode: str
) -> list[str]:
    """What a model keeps of a target once the experiential model is taken out, by the paper's measure."""
    said = []
    for model in models:
        for row in rows.where(
            model=model, condition=condition, measure="residual", subset=subset, layer_mode=mode, trained=True
        ):
            whole = rows.one(
                model=model,
                condition=condition,
                measure="spearman",
                subset=subset,
                layer_mode=mode,
                trained=True,
                target=row.target,
            )
            if whole is not None and row.rho is not None and row.versus == experiential:
                said.append(
                    f"{model} correlates {number(whole.rho or 0.0)} with {row.target}, and {_value(row)} without what "
                    f"{row.versus} explains."
                )
    return said


def _where(row: Row) -> str:
    return f"{row.condition}, {row.target}"


def _difference(row: Row) -> str:
    way = {1: "nearer", -1: "further off", 0: "no difference seen"}[seen(row)]
    return f"{way}, {_value(row, signed=True)}"


def _value(row: Row, signed: bool = False) -> str:
    text = number(row.rho, signed) if row.rho is not None else "not known"
    if row.ci_low is None or row.ci_high is None:
        return text
    return f"{text} ({interval(row.ci_low, row.ci_high, signed)})"


def _percent(row: Row) -> str:
    span = interval(100 * (row.ci_low or 0.0), 100 * (row.ci_high or 0.0))
    return f"{number(100 * (row.rho or 0.0))} % ({span})"
