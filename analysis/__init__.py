"""Measurements of caption dumps: no captioner, no scorer and no torch is needed to read what was written.

ANALYSES is the table of names.  An analysis is one function `measure(dump, context) -> list[Row]`.  Adding one: write
a file with that function and add its row here.
"""

ANALYSES = {
    "metrics": "analysis.metrics:measure",
    "perplexity": "analysis.perplexity:measure",
    "nouns": "analysis.noun_counts:measure",
    "unigrams": "analysis.unigrams:measure",
    "parts": "analysis.part_unigrams:measure",
    "drift": "analysis.drift:measure",
    "patterns": "analysis.patterns:measure",
    "found_patterns": "analysis.found_patterns:measure",
}
