"""The report: one self-contained page, and its tables and figures as files."""
