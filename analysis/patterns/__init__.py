"""Sentence patterns of captions: the paper's own (Ma et al. 2023 Table 5), and those that are found."""
