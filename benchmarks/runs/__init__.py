"""Runs of the papers' commands: what the ledger's rows need, and what a run says of its row."""
