"""Probing what vision-language models align: train a captioner to please a scorer, then read what it writes."""

__version__ = "0.1.0"
