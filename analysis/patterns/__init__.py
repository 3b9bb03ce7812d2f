"""Sentence patterns of captions: the paper's own (papers/002 Table 5), and those that are found."""
