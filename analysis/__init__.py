"""Measurements of caption dumps: no captioner, no scorer and no torch is needed to read what was written.

ANALYSES is the table of names.  An analysis is one function `measure(dump, context) -> list[Row]`.  Adding one: write
a file with that function and add its row here.
"""

ANALYSES = {
    "metrics": "analysis.statistics.metrics:measure",
    "perplexity": "analysis.statistics.perplexity:measure",
    "nouns": "analysis.statistics.noun_counts:measure",
    "unigrams": "analysis.statistics.unigrams:measure",
    "parts": "analysis.statistics.part_unigrams:measure",
    "drift": "analysis.drift.drift:measure",
    "patterns": "analysis.patterns.shares:measure",
    "found-patterns": "analysis.patterns.found_patterns:measure",
}
METRICS = ("BLEU", "METEOR", "ROUGE-L", "CIDEr", "SPICE")
"""Parts of the analysis `metrics`, which may be left out one by one."""
