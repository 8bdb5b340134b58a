"""Weights of other codes in our networks."""
