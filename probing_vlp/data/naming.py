"""Names of things in captions: the longest phrase counts ("hot dog" is no dog), whole words only.

A caption is its tokens (`text.py:tokenize`).  "orange" is a colour, and names nothing, before a word of content ("an
orange cat") or beside another colour ("an orange and white cat").
"""

from collections.abc import Mapping, Sequence

from probing_vlp.data.closed_class import CONNECTIVES, COPULAS, listed

COLOURS = listed("black white gray grey red green blue yellow brown pink purple tan silver gold cream")
"""Beside "orange" these make it a colour too."""

AFTER_FRUIT = CONNECTIVES | COPULAS | {""}

IRREGULAR = {
    "person": "persons",
    "man": "men",
    "woman": "women",
    "child": "children",
    "gentleman": "gentlemen",
    "policeman": "policemen",
    "policewoman": "policewomen",
    "fireman": "firemen",
    "businessman": "businessmen",
    "businesswoman": "businesswomen",
    "mouse": "mice",
    "knife": "knives",
    "goose": "geese",
    "calf": "calves",
    "ox": "oxen",
    "sheep": "sheep",
    "aircraft": "aircraft",
    "cattle": "cattle",
    "people": "people",
    "luggage": "luggage",
    "baggage": "baggage",
}


def plural(word: str) -> str:
    """The plural of a lower-case noun."""
    if word in IRREGULAR:
        return IRREGULAR[word]
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return f"{word}es"
    return f"{word[:-1]}ies" if word.endswith("y") and word[-2:-1] not in "aeiou" else f"{word}s"


def with_plurals(singular: Mapping[str, str]) -> dict[str, str]:
    """The same phrases and their plurals, which name the same; a phrase that is given counts before a plural."""
    plurals = {" ".join([*phrase.split()[:-1], plural(phrase.split()[-1])]): name for phrase, name in singular.items()}
    return plurals | dict(singular)


class Namer:
    """Finds things by their `names`: lower-case phrase of tokens to thing, "" for a phrase that names nothing."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = dict(names)
        self.longest: dict[str, int] = {}
        """Words of the longest phrase by its first word."""
        for phrase in self.names:
            first, *rest = phrase.split()
            self.longest[first] = max(self.longest.get(first, 0), 1 + len(rest))

    def find(self, words: Sequence[str]) -> list[str]:
        """The things that a caption's words name, in order, repetitions included."""
        found, at = [], 0
        while at < len(words):
            size, thing = self._longest_at(words, at)
            if thing and not (size == 1 and words[at] == "orange" and _is_colour(words, at)):
                found.append(thing)
            at += size
        return found

    def _longest_at(self, words: Sequence[str], at: int) -> tuple[int, str]:
        """(words, thing) of the longest phrase that begins here; (1, "") where none does."""
        for size in range(min(self.longest.get(words[at], 0), len(words) - at), 0, -1):
            thing = self.names.get(" ".join(words[at : at + size]))
            if thing is not None:
                return size, thing
        return 1, ""


def _is_colour(words: Sequence[str], at: int) -> bool:
    """Whether "orange" is a colour here: before a word of content, or beside another colour."""
    before, after, beyond = (words[i] if 0 <= i < len(words) else "" for i in (at - 2, at + 1, at + 2))
    joined = ("and", "or")
    beside = (after in joined and beyond in COLOURS) or (before in COLOURS and words[at - 1] in joined)
    return beside or after not in AFTER_FRUIT
