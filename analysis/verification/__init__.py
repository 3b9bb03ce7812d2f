"""What captions changed on purpose are worth to a scorer: rows and findings from the files of `probe.py verify`."""
