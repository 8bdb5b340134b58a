"""Weights of published networks under the names of our modules."""
