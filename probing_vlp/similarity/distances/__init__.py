"""Words with vectors or distances, from any file, and how two of them compare."""
