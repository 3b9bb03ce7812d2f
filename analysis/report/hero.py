"""The photograph of the first screen: one image with its caption before and after, picked by rule and not by taste.

Of the images that the most captioners' own scores rose for while a word came to be repeated (or, where there is none,
for which they rose), the one with the median total gain; the lower image id among equals.  Where the scores did not
rise on average, a photograph for which they did would mislead: then it is one of all whose caption changed.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from analysis.scores import SOURCE, UNIT, reward_scorers, scores_by_image
from probing_vlp.data.text import tokenize
from probing_vlp.dump import CaptionDump
from probing_vlp.pages.results import Row

SHORT = 2
"""Letters of a word up to which saying it again is no repetition: "a", "of", "in"."""
FUNCTION = frozenset(
    {"the", "and", "with", "that", "this", "its", "his", "her", "their", "for", "from", "near", "next", "are", "was"}
)


class Shift(NamedTuple):
    """What training towards a scorer did to one caption."""

    model: str
    scorer: str
    before: float | None
    """Score of the baseline's caption by that scorer."""
    after: float | None
    caption: tuple[tuple[str, bool], ...]
    """Pieces of the new caption, and whether each is a word said before."""


class Hero(NamedTuple):
    """The image, its first caption, and what became of it."""

    image_id: int
    baseline: str
    caption: tuple[tuple[str, bool], ...]
    shifts: tuple[Shift, ...]
    rule: str


def pick_hero(dumps: Sequence[CaptionDump], common: Sequence[int], main: str) -> Hero | None:
    """The image to show; None for a single dump, or where no image was scored under two captions."""
    trained = _to_show(dumps[1:], main)
    texts = {dump.name: {record.image_id: record.caption for record in dump.records} for dump in dumps}
    first = texts[dumps[0].name]
    gains = {dump.name: _gains(dumps[0], dump, scorer) for dump, scorer in trained}
    every = [gain for dump, _ in trained for key in common if (gain := gains[dump.name].get(key)) is not None]
    rising = sum(every) > 0
    rules = ((True, "whose score rose while a word came to be repeated"), (False, "whose score rose"))
    for repeats, rule in rules if rising else ((False, "whose caption changed (on average the score did not rise)"),):
        risen: dict[int, list[float]] = {}
        for dump, _ in trained:
            for key in common:
                rise = gains[dump.name].get(key)
                more = repeated(texts[dump.name][key]) > repeated(first[key])
                if rise is None or (rising and rise <= 0) or texts[dump.name][key] == first[key]:
                    continue
                if more or not repeats:
                    risen.setdefault(key, []).append(rise)
        if risen:
            most = max(map(len, risen.values()))
            ranked = sorted((sum(rises), key) for key, rises in risen.items() if len(rises) == most)
            image_id = ranked[len(ranked) // 2][1]
            told = f"the median gain of the {len(ranked):,} photographs {rule}"
            told += f" for {most} captioner{'s' if most > 1 else ''}" if len(trained) > 1 else ""
            shifts = tuple(_shift(dumps[0], dump, scorer, image_id, texts) for dump, scorer in trained)
            return Hero(image_id, dumps[0].name, marked(first[image_id]), shifts, told)
    return None


def _to_show(dumps: Sequence[CaptionDump], main: str) -> list[tuple[CaptionDump, str]]:
    """The first dump that was trained to please each scorer; where none was trained, each dump."""
    firsts = {scorers[0]: dump for dump in reversed(dumps) if (scorers := reward_scorers(dump))}
    return [(dump, scorer) for scorer, dump in reversed(firsts.items())] or [(dump, main) for dump in dumps]


def hero_rows(hero: Hero) -> list[Row]:
    """The scores that the first screen shows: "example:IMAGE_ID:SCORER" of both captions."""
    rows: dict[tuple[str, str], Row] = {}
    for shift in hero.shifts:
        for model, score in ((hero.baseline, shift.before), (shift.model, shift.after)):
            if score is not None:
                name = f"example:{hero.image_id}:{shift.scorer}"
                rows[name, model] = Row(name, model, score, None, None, 1, UNIT, SOURCE, "first screen")
    return list(rows.values())


def repeated(caption: str) -> int:
    """Words that were said before in the caption; short and function words aside, and a final s."""
    return sum(count - 1 for count in Counter(filter(None, map(_stem, tokenize(caption)))).values())


def marked(caption: str) -> tuple[tuple[str, bool], ...]:
    """The caption in pieces, blanks included; True for a word that stands there more than once."""
    return tuple(_pieces(caption))


def _pieces(caption: str) -> Iterator[tuple[str, bool]]:
    words = caption.split()
    counts = Counter(map(_stem_of, words))
    for place, word in enumerate(words):
        if place:
            yield " ", False
        yield word, bool(_stem_of(word)) and counts[_stem_of(word)] > 1


def _stem_of(word: str) -> str:
    return _stem("".join(tokenize(word)))


def _stem(word: str) -> str:
    if len(word) <= SHORT or word in FUNCTION:
        return ""
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def _gains(before: CaptionDump, after: CaptionDump, scorer: str) -> dict[int, float]:
    first, second = (scores_by_image(dump, scorer) for dump in (before, after))
    gains = {key: second[key] - first[key] for key in first.keys() & second.keys()}
    return {key: gain for key, gain in gains.items() if gain == gain}  # a NaN is not equal to itself


def _shift(
    before: CaptionDump, after: CaptionDump, scorer: str, image_id: int, texts: Mapping[str, Mapping[int, str]]
) -> Shift:
    scores = [scores_by_image(dump, scorer).get(image_id) for dump in (before, after)]
    first, second = (None if score is None or score != score else score for score in scores)
    return Shift(after.name, scorer, first, second, marked(texts[after.name][image_id]))
