"""The report's figures: of evidence and of runs."""
