"""Files of answers and all that is computed from them alone."""
