"""Captions, splits, vocabulary and image features: from files to the nouns of `records`."""
