"""A small language model from text alone, and what any language model knows without images."""
