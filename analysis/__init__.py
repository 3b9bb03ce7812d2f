"""Measurements of caption dumps: no captioner, no scorer and no torch is needed to read what was written.

ANALYSES is the table of names.  An analysis is one function `measure(dump, context) -> list[Row]`; adding one: write
a file with that function, add its row here.  One of your own outside the project needs no row: `package.module:measure`.
"""

ANALYSES = {
    "metrics": "analysis.metrics:measure",
    "perplexity": "analysis.perplexity:measure",
    "nouns": "analysis.noun_counts:measure",
    "unigrams": "analysis.unigrams:measure",
}
