"""Genotypes, and the search spaces that produce them. Plain Python, no torch."""
