"""The prefixes and sentence patterns that Ma et al. 2023 found in five scorers' captions (table 5), as definitions.

Under the paper's names, in its notation (`analysis.patterns.notation`; the star is one or more):

    UNITER   prefix (NOUN.P)*+REL           pattern Prefix+(NOUN.P)*
    ROSITA   prefix 1 a+IMAGE.P+that+is     pattern Prefix+((CONJ)?+(NOUN.P)*)*
             prefix 2 (NOUN.P)*+that+is
    ViLBERT  prefix (NOUN.P)*+that          pattern Prefix+((AUX)?+(REL)?+(NOUN.P))*
    CLIP     prefix a+IMAGE.P+of            pattern Prefix+((CONJ)?+(REL)?+(NOUN.P)*)*
    LXMERT   prefix (NOUN.P)*+REL           pattern Prefix+((REL)?+NOUN.P)*

What the paper leaves open, and how it is read here:

- A prefix is the beginning of a caption.  A pattern is the whole of it; a last component may lack its noun phrase
  ("... at this enclosure at"), since captions are cut at 20 words: else its own examples in table 3 would not fit.
- The text of section 4.3 gives "of" to ROSITA and "that is" to CLIP.  Table 5 and every example say the reverse.
- ROSITA's prefix 2 leaves out what prefix 1 takes: every IMAGE.P is a NOUN.P too, so 28.9% could not be below 56.7%.
- UNITER and LXMERT have the same prefix, and what fits UNITER's pattern fits LXMERT's.

Beside them, under names of their own:

- ROSITA `1-is-optional`: a+IMAGE.P+that+(is)?, since the captions that table 6 constructs for ROSITA have no "is".
- UNITER `nouns-alone`: (NOUN.P)* and no prefix, and packed, for "a motorcycle bike motorcycle bike" (table 3).
"""

from typing import NamedTuple

SOURCE = "Ma et al. 2023 table 5"
MODELS = ("UNITER", "ROSITA", "ViLBERT", "CLIP", "LXMERT")
PAPER = {
    "prefix:UNITER:1": 0.897,
    "prefix:ROSITA:1": 0.567,
    "prefix:ROSITA:2": 0.289,
    "prefix:ViLBERT:1": 0.919,
    "prefix:CLIP:1": 0.746,
    "prefix:LXMERT:1": 0.996,
    "pattern:UNITER": 0.872,
    "pattern:ROSITA": 0.607,
    "pattern:ViLBERT": 0.829,
    "pattern:CLIP": 0.540,
    "pattern:LXMERT": 0.941,
}
"""Table 5: shares of the captions of the captioner trained on that model, each model's own."""


class Form(NamedTuple):
    """A prefix and what follows it."""

    model: str
    name: str
    """Name of the prefix: a number as in the paper, or that of a corrected definition."""
    prefix: str
    loop: str
    """The component that is repeated, to the last star."""
    tail: str
    """What a component may have left when the caption was cut."""

    @property
    def pattern(self) -> str:
        """The whole caption."""
        return f"{self.prefix}+{self.loop}{self.tail and '+' + self.tail}"

    @property
    def reach(self) -> str:
        """As far as the form goes, the loop included if there is one."""
        return f"{self.prefix}+({self.loop})?"


_ROSITA = ("((CONJ)?+(NOUN.P)*)*", "(CONJ)?")
FORMS = (
    Form("UNITER", "1", "(NOUN.P)*+REL", "(NOUN.P)*", ""),
    Form("ROSITA", "1", "a+IMAGE.P+that+is", *_ROSITA),
    Form("ROSITA", "2", "(NOUN.P)*+that+is", *_ROSITA),
    Form("ROSITA", "1-is-optional", "a+IMAGE.P+that+(is)?", *_ROSITA),
    Form("ViLBERT", "1", "(NOUN.P)*+that", "((AUX)?+(REL)?+(NOUN.P))*", "(AUX)?+(REL)?"),
    Form("CLIP", "1", "a+IMAGE.P+of", "((CONJ)?+(REL)?+(NOUN.P)*)*", "(CONJ)?+(REL)?"),
    Form("LXMERT", "1", "(NOUN.P)*+REL", "((REL)?+NOUN.P)*", "(REL)?"),
)
NOUNS_ALONE = "(NOUN.P)*"
WORDS = ("of", "that", "is")
MARKED_NOUNS = ("image",)
