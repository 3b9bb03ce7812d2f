"""What else changed while a captioner learned to please its scorer, and how far it may before it counts."""
