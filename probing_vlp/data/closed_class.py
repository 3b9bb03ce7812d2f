"""Function words by closed lists: a list holds in captions that are no sentences any more, where a tagger guesses.

CONNECTIVES join phrases: prepositions, conjunctions, and "that", "which", "who" before a clause.  NEVER_LAST cannot end
an English phrase: it wants a noun, a clause or a complement after it.  Words that also stand last in sound captions
("a man looking up", "with its lights on", "the room they live in") are left out of NEVER_LAST, or all sound captions
of that kind would count as fragments.
"""


def listed(words: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(words.split())


ARTICLES = listed("a an the")
DETERMINERS = ARTICLES | listed("every my your our their its whose")
PREPOSITIONS = listed(
    "about above across after against along alongside amid amidst among amongst around as at atop before behind below "
    "beneath beside besides between beyond by despite down during except for from in inside into near of off on onto "
    "opposite out outside over past per through throughout to toward towards under underneath until up upon via with "
    "within without"
)
CONJUNCTIONS = listed("and but or nor so yet while because although though if when where whereas than since")
RELATIVES = listed("that which who whom")
CONNECTIVES = PREPOSITIONS | CONJUNCTIONS | RELATIVES
COPULAS = listed("is are was were am be been being has have had")
PARTICLES = listed(
    "about above across after along around before behind below beneath beyond down in inside off on out outside over "
    "past through under underneath up within without so yet when where though since"
)
"""Connectives that sound captions end with, as adverbs and particles, too."""
NEVER_LAST = (CONNECTIVES - PARTICLES - RELATIVES) | listed("that which") | DETERMINERS | COPULAS
