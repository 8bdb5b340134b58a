"""Weights of other codes under the names of our modules."""
