"""Successive halving: early stopping of trials."""
