"""The report's tables: of evidence and of runs."""
