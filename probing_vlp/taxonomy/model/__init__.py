"""Frozen encoder, learned projector, frozen language model; the grid of runs."""
