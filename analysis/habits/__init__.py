"""Verdicts: what captions fell into that their scorer pays for."""
