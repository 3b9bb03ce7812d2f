"""Words and the sentences that they stand in."""
