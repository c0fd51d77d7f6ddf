"""The papers' statements on data that can be held here: declared, trained, and read."""
