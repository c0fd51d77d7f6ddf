"""The evidence: parity with the authors' code, claims, speed, reports. Uses papers and common."""
