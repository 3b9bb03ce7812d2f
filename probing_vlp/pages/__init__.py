"""What the reports of all probes share: numbers in words, result rows, tables, figures, the page of a sibling probe."""
