"""The indefinite article of a noun, by the paper's rule and by a correct one.

paper     "an" before a first letter a, e, i, o, u, except in "user", and in hour, honor, heir, herb; else "a".  It
          makes "a scissors", "a thanks", "an university".  The whole sentence is then capitalised as Python's
          `str.capitalize` does it, so that everything but the first letter becomes lower case.
correct   by sound ("a unicorn", "an honest mistake", "an MRI"), and "some" for plurals and for what is not counted
          ("some scissors", "some advice"); only the first letter of the sentence is raised, names stay as they are.

Source: Bavaresco & Fernández (CoNLL 2025), section 3 and their code; the correct rule is ours.
"""

import re

from probing_vlp.errors import UserError

RULES = ("paper", "correct")
PAPER_AN = ("hour", "honor", "heir", "herb")
SILENT_H = re.compile(r"hours?\b|hour(ly|glass)|hono(u?r)|honest|heir|herb(?!iv|er)", re.I)
LIKE_YOU = re.compile(r"eu|ewe|one\b|once|ouija|u[bfkt]i|uni(?!n|m)|ura|uri|us[aeu]|uten|uter|ufo\b|uku|ukr|uvu", re.I)
"""Vowel letters that begin with a consonant's sound: unicorn, Europe, one."""
VOWEL_LETTERS = frozenset("AEFHILMNORSX")
"""Letters whose names begin with a vowel, for abbreviations."""
UNCOUNTED = frozenset(
    [
        "advice",
        "applause",
        "bacon",
        "beer",
        "bread",
        "broccoli",
        "butter",
        "cash",
        "cereal",
        "champagne",
        "cheese",
        "chocolate",
        "cider",
        "coffee",
        "corn",
        "custard",
        "equipment",
        "flattery",
        "furniture",
        "garlic",
        "gossip",
        "hail",
        "ham",
        "homework",
        "honey",
        "information",
        "ketchup",
        "laughter",
        "lemonade",
        "lettuce",
        "lightning",
        "luggage",
        "milk",
        "music",
        "mustard",
        "news",
        "pasta",
        "pollution",
        "praise",
        "rice",
        "sandpaper",
        "sauerkraut",
        "soap",
        "spaghetti",
        "spinach",
        "starvation",
        "tea",
        "tobacco",
        "water",
        "weather",
        "wine",
    ]
)
PLURAL = re.compile(r"(?<![aious'y])s$|(?<=[aeiou]y)s$|(?<=[aeio])os$", re.I)
SINGULAR_S = frozenset(["atlas", "bias", "canvas", "gas", "iris", "lens", "series", "species"])


def article_of(word: str, rule: str = "paper") -> str:
    """ "a", "an" or, by the correct rule, "some"; UserError for a rule that there is not."""
    if rule == "paper":
        return "an" if (word[:1].lower() in "aeiou" and word.lower() != "user") or word.lower() in PAPER_AN else "a"
    if rule != "correct":
        raise UserError(f"article rule '{rule}' is not one of {', '.join(RULES)}")
    last = word.lower().rpartition(" ")[2]
    if last in UNCOUNTED or (PLURAL.search(last) and last not in SINGULAR_S and len(last) > 2):
        return "some"
    return "an" if _sounds_like_vowel(word) else "a"


def raise_first(text: str, rule: str = "paper") -> str:
    """The text with its first letter in upper case; by the paper's rule all others in lower case."""
    return text.capitalize() if rule == "paper" else text[:1].upper() + text[1:]


def _sounds_like_vowel(word: str) -> bool:
    first = word.partition(" ")[0]
    if len(first) > 1 and first.isupper() and (len(first) < 4 or not re.search("[AEIOU]", first)):
        return first[0] in VOWEL_LETTERS  # spelt out: an MRI, a UFO
    if SILENT_H.match(word):
        return True
    return word[:1].lower() in "aeiou" and not LIKE_YOU.match(word)
