"""How fast a training step and the loading of its images are."""
