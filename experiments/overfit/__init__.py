"""Every detector learns 16 images by heart: `python -m experiments.overfit`."""
