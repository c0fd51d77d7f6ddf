"""The library every paper's package stands on; nothing in it knows a paper."""
