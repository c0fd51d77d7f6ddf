"""Looking after the repository: regressions against a committed baseline, and its size."""
