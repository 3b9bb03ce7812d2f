"""Training: supervised (CE), self-critical (SCST) and contrastive loops, and what they share."""
