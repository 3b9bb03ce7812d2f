"""What things are called on a page: experiments by their names in the command line, in words."""

AGAINST = "-against-"
EXPERIMENTS = {
    "visual-replaced": "visual words replaced by wrong ones",
    "others-replaced": "all other words replaced",
    **{f"words-{count}": f"{count} visual words of people’s captions, in a template" for count in range(1, 10)},
    "shuffled": "words shuffled",
    "nouns-exchanged": "two nouns in each other’s place",
    "noun-swapped": "one noun replaced by a wrong one",
    "attribute-swapped": "one adjective replaced",
    "relation-swapped": "one preposition or verb replaced",
    "count-changed": "another number of things",
    "negated": "negated",
    "other-caption": "the caption of another image",
    "repeated": "said twice",
    "truncated": "the last third left out",
    "end-dropped": "broken off",
    "prefixed": "“a image image of” before it",
    "nouns-appended": "true nouns that it lacks, after it",
    "nouns-repeated": "its own nouns once more, after it",
    "nouns-wrong": "wrong nouns after it",
    "fillers-appended": "words that say nothing, after it",
    "prefix-first": "the tried opening before it",
    "prefix-last": "the tried opening after it",
    "fillers-first": "as many words that say nothing before it",
    "fillers-last": "as many words that say nothing after it",
    "connected": "the tried connective between phrases",
    "others-connected": "other connectives between phrases",
}
TEMPLATE, TABLE_7 = "template-", "-table7"


def title_of(name: str) -> str:
    """An experiment's name in words; a user's own one as he named it."""
    if AGAINST in name:
        return " against ".join(map(title_of, name.split(AGAINST)))
    if name.startswith(TEMPLATE):
        whose = name.removeprefix(TEMPLATE)
        return f"in the template of {whose.removesuffix(TABLE_7)}{', as in Table 7' * whose.endswith(TABLE_7)}"
    return EXPERIMENTS.get(name, name.replace("-", " ").replace("_", " "))
