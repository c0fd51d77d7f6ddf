"""The ledger: every number that the papers report, and what became of it here."""
