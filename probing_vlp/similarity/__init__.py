"""Do the word representations of a model mirror human experience and the brain?  Representational similarity by word.

Source: Bavaresco & Fernández, CoNLL 2025.  Everything is joined by word, never by position.
"""
