"""English around a noun: articles by sound, plurals, mass nouns, and what comes in pairs.

    with_article("hourglass") = "an hourglass"     with_article("unicycle") = "a unicycle"
    plural("wine glass") = "wine glasses"          plural("item of clothing") = "items of clothing"
    plural("pair of jeans") = "jeans"              is_mass("broccoli") = True

Facts about words, in closed lists (`assets/nouns.csv`): they cover the 80 COCO categories and the names of THINGS; the
columns of a taxonomy's own file come before them.
"""

import csv
import re
from functools import cache
from pathlib import Path

from probing_vlp.data.closed_class import listed
from probing_vlp.data.naming import plural as plural_word

NOUNS = Path(__file__).parents[1] / "assets" / "nouns.csv"
SILENT_H = re.compile(r"hour|heir|honest|honou?r")
SAID_YOU = re.compile(r"uni(?!m|n)|us[aeiu]|uten|util|uri[an]|uku|ubiq|eu|ewe|ufo$|usb$|one$|once$")
"""Begins with a vowel letter, and with the sound of "you" or "one"."""
SPELT = listed("suv lcd mri mp3 fm rv hd nba nfl sos xbox")
"""Read letter by letter though written small."""
LETTERS_AN = frozenset("aefhilmnorsx")
"""Letters whose names begin with a vowel: an X-ray."""


def with_article(phrase: str) -> str:
    """The phrase with "a" or "an" before it, by the sound of its first word."""
    return f"{article(phrase)} {phrase}"


def article(phrase: str) -> str:
    """ "a" or "an"."""
    first = re.split(r"[\s-]", phrase.strip())[0]
    word = first.lower()
    if len(word) == 1 or word in SPELT or (first.isupper() and len(first) < 5):
        return "an" if word[:1] in LETTERS_AN else "a"
    vowel = word[:1] in tuple("aeiou") and not SAID_YOU.match(word)
    return "an" if vowel or SILENT_H.match(word) else "a"


def plural(phrase: str) -> str:
    """The plural of a noun phrase: of its last word, or of the word before "of"; a pair of jeans is jeans,
    and a mass noun stays."""
    if is_mass(phrase):
        return phrase
    if phrase.startswith("pair of "):
        return phrase.removeprefix("pair of ")
    head, of, rest = phrase.partition(" of ")
    *before, last = head.split(" ")
    return " ".join([*before, _nouns().get(("plural", last)) or plural_word(last)]) + of + rest


def is_mass(phrase: str) -> bool:
    """Whether a phrase takes no article and no plural; no, for one that is on no list."""
    return ("mass", phrase) in _nouns()


def surface(name: str) -> str:
    """How a text calls the thing of this name or folder: `ice-cream_cone` an ice-cream cone, `bracelet2` a bracelet,
    `jeans` a pair of jeans; the hypernyms of THINGSplus as the paper calls them."""
    words = " ".join(re.sub(r"(?<=[^\W\d_]{3})[1-9]$", "", name.replace("_", " ")).split())
    return _nouns().get(("surface", words)) or words


@cache
def _nouns() -> dict[tuple[str, str], str]:
    """(what is told, of which noun): the form, or "" where there is none to tell."""
    with open(NOUNS, encoding="utf-8", newline="") as file:
        return {(row["fact"], row["noun"]): row["form"] for row in csv.DictReader(file)}
