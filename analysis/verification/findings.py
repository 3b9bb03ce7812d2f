"""The three findings of Ma et al. 2023 section 5 for a scorer, confirmed or denied in words, from rows alone.

    1  wrong visual words cost more than random words in the place of all others
    2  an unreadable template of the same visual words scores higher than the caption
    3  the more visual words a template holds, the higher it scores (seven against three)

A finding is confirmed by a 95% interval on its side of zero, denied by one on the other side, else left open.  The
paper gives means without intervals; of its Figures 2 and 3 the values are not printed.
"""

from collections.abc import Callable, Sequence

from probing_vlp.experiments.pairs import BASES
from probing_vlp.experiments.templates import own_template
from probing_vlp.pages.results import Row
from probing_vlp.pages.wording import interval, listing, number

TABLE_7 = {
    "uniter": (71.6, 80.5),
    "rosita": (86.5, 93.1),
    "vilbert": (72.5, 87.7),
    "clip": (27.8, 28.6),
    "lxmert": (80.1, 81.1),
}
"""The paper's mean scores, times 100, of the CE captions and of those put into each model's template: 5,000 images of
COCO's test split."""
Find = Callable[[str], Row | None]


def findings(rows: Sequence[Row]) -> list[str]:
    """A sentence or two for each scorer and finding; none for an experiment that was not run.

    The captions of the dump count, as in the paper; the human captions only where they alone were changed.
    """
    values = {(row.model, row.name): row for row in rows if row.name.startswith("verify:") and row.value is not None}
    said = []
    for model in dict.fromkeys(model for model, _ in values):
        base = next(base for base in BASES if any(key == model and f":{base}/" in name for key, name in values))
        find = lambda what, at=(model, base): values.get((at[0], f"verify:{at[1]}/{what}:change"))  # noqa: E731
        captions = "the captions of the dump" if base == "dump" else "the human captions"
        sentences = (_visual_words(find), _templates(find, own_template(model)), _more_words(find))
        said += [f"{model}, {captions}: {sentence}" for sentence in sentences if sentence]
    return said


def _visual_words(find: Find) -> str:
    visual, others = find("visual-replaced"), find("others-replaced")
    gap = find("others-replaced-against-visual-replaced")
    if not (visual and others and gap):
        return ""
    return (
        f"wrong visual words change the score by {_value(visual)}, random words in the place of all others by "
        f"{_value(others)}; keeping the visual words is worth {_value(gap)}. That visual words count for more than all "
        f"others together is {_verdict(gap)}."
    )


def _templates(find: Find, own: str) -> str:
    found = {name: row for name in TABLE_7 if (row := find(f"template-{name}"))}
    if own not in found:
        return ""
    better = [name for name, row in found.items() if (row.ci_low or 0) > 0]
    return (
        f"the same visual words in the template of {own} change the score by {_value(found[own])}. That an unreadable "
        f"template scores higher than the caption is {_verdict(found[own])}; of all templates tried "
        f"({len(found)}), {listing(better) if better else 'none'} did."
    )


def _more_words(find: Find) -> str:
    more = find("words-7-against-words-3")
    if not more:
        return ""
    return (
        f"seven visual words of the human captions instead of three, in the {more.note}, change the score by "
        f"{_value(more)}. That captions with more visual words score higher is {_verdict(more)}."
    )


def _verdict(row: Row) -> str:
    count = f"(n = {row.n:,})"
    if row.ci_low is None or row.ci_high is None:
        return f"left open: there is no interval {count}"
    if row.ci_low <= 0 <= row.ci_high:
        return f"left open: the interval holds zero {count}"
    return f"{'confirmed' if row.ci_low > 0 else 'denied'} {count}"


def _value(row: Row) -> str:
    span = "" if row.ci_low is None or row.ci_high is None else f" ({interval(row.ci_low, row.ci_high, True)})"
    return f"{number(row.value or 0.0, True)}{span}"
