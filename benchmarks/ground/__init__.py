"""What every command stands on: its frame, results files, intervals and verdicts."""
