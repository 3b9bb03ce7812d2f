"""Captioners: the model, its decoders and its checkpoints."""
