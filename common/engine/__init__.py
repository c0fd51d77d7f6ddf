"""The one training loop and what it owns: precision, schedule, average, checkpoints, run folder."""
