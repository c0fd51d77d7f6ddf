"""What the papers compare with, as Methods on the same trainer, streams and flags."""
