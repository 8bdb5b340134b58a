"""Presentation of a search and its results: the live view, the leaderboard, drawings of genotypes."""
