"""Successive halving: which trials are stopped early."""
