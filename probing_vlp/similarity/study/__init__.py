"""Models, conditions and targets of one run: rows of numbers."""
