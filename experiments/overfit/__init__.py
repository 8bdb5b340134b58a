"""Check that every detector can overfit 16 images: `python -m experiments.overfit`."""
