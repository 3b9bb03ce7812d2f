"""The taxonomy probe: does a frozen language model carry hypernyms over to what it is shown?

Xu, Sandoval-Castaneda, Livescu, Shakhnarovich, Misra (2026), "Cross-Modal Taxonomic Generalization in (Vision-)
Language Models", arXiv 2603.07474.  In order: `taxonomies` and `images` say what is what, `maps`, `questions` and
`conditions` make of them what is asked in training and in the tests, `encoders`, `language_models`, `projectors` and
`vlm` the model that answers, `fitting` and `grid` the runs; `metrics` and what follows read the answers' file alone.
"""
