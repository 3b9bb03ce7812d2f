"""Visual words in the sentence templates of Ma et al. 2023 section 5: its Tables 6 and 7, and Figure 3.

The notation is Table 7's, with blanks or "+" between words: NOUN is a slot, "( ... )*" is repeated for the visual words
that are left, any other word stands for itself:

    a NOUN that the NOUN (at the NOUN)*    man, horse, field    ->  a man that the horse at the field

Fewer words than slots: the caption ends before the words that lead to the first slot left empty ("a man").  More words
than slots and no repeated part: the rest is left out.

Where Table 7's template does not give Table 6's captions, Table 6's form has the plain name and Table 7's its own:
`rosita` has "that" and `clip` has "of a NOUN"; `rosita-table7` has "that is" and `clip-table7` "of NOUN".
The paper does not say whether a caption's visual words are distinct; here they are.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from probing_vlp.errors import UserError
from probing_vlp.experiments.base import Case

SLOT = "NOUN"
TEMPLATES = {
    "uniter": "a NOUN of the (NOUN)*",
    "rosita": "a image image that a a NOUN (but a a NOUN)*",
    "rosita-table7": "a image image that is a a NOUN (but a a NOUN)*",
    "vilbert": "a NOUN that the NOUN (at the NOUN)*",
    "clip": "a image image of a NOUN (near a NOUN)*",
    "clip-table7": "a image image of NOUN (near a NOUN)*",
    "lxmert": "a NOUN (of a NOUN)*",
}
EXAMPLE = "a NOUN (of a NOUN)*"
DEFAULT = "lxmert"
"""The template of a scorer that the paper has none for: the one with the fewest words of its own."""


@dataclass(frozen=True)
class Template:
    """Words before a repeated part, the repeated part (empty if there is none), words after it."""

    before: tuple[str, ...]
    repeated: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    def fill(self, words: Sequence[str]) -> str | None:
        """The caption of these visual words, None if there are none."""
        fixed = (self.before + self.after).count(SLOT)
        turns = -(-max(len(words) - fixed, 0) // self.repeated.count(SLOT)) if self.repeated else 0
        before = self.before
        if self.repeated and not turns and SLOT in before:  # "of the" leads to a repeated part that has no word
            before = before[: len(before) - before[::-1].index(SLOT)]
        left = iter(words)
        caption: list[str] = []
        waiting: list[str] = []  # words that lead to a slot not filled yet
        for part in before + self.repeated * turns + self.after:
            waiting.append(part)
            if part == SLOT:
                word = next(left, None)
                if word is None:
                    return " ".join(caption) or None
                caption += [*waiting[:-1], word]
                waiting = []
        return " ".join(caption + waiting) if words else None


def parse_template(text: str) -> Template:
    """A template by its name in TEMPLATES, or from its notation.

    Raises UserError for one without a slot and for parentheses that do not fit.
    """
    parts = re.split(r"\(([^()]*)\)\s*\*", TEMPLATES.get(text, text).replace("+", " "))
    if len(parts) > 3 or any(set(part) & set("()*") for part in parts):
        raise UserError(f"template '{text}': write one repeated part at most, between ( and )*, as in: {EXAMPLE}")
    if not any(SLOT in part.split() for part in parts):
        known = ", ".join(TEMPLATES)
        raise UserError(
            f"template '{text}': has no slot; write {SLOT} where a visual word goes, as in: {EXAMPLE}; or name {known}"
        )
    if len(parts) == 3 and SLOT not in parts[1].split():
        raise UserError(f"template '{text}': its repeated part has no slot; write {SLOT} between ( and )*")
    return Template(*(tuple(part.split()) for part in parts))


def own_template(scorer: str) -> str:
    """The name of a scorer's own template ("mini-clip" has clip's), else DEFAULT."""
    name = scorer.removeprefix("mini-")
    return name if name in TEMPLATES else DEFAULT


@dataclass(frozen=True)
class CaptionWords:
    """The visual words of the caption in a template."""

    template: str

    def __call__(self, cases: Sequence[Case], generator: np.random.Generator) -> list[str | None]:
        """None for a caption without visual words."""
        template = parse_template(self.template)
        return [template.fill(case.visual_words) for case in cases]


@dataclass(frozen=True)
class ReferenceWords:
    """The first `count` visual words of an image's human captions in a template."""

    count: int
    template: str = DEFAULT

    def __call__(self, cases: Sequence[Case], generator: np.random.Generator) -> list[str | None]:
        """None for an image whose human captions have fewer."""
        template = parse_template(self.template)
        words = [case.reference_nouns[: self.count] for case in cases]
        return [template.fill(found) if len(found) == self.count else None for found in words]


uniter, rosita, vilbert, clip, lxmert = map(CaptionWords, ("uniter", "rosita", "vilbert", "clip", "lxmert"))
rosita_table7, clip_table7 = map(CaptionWords, ("rosita-table7", "clip-table7"))
words_3, words_4, words_5, words_6, words_7 = map(ReferenceWords, range(3, 8))
