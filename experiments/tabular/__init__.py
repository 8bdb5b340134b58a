"""Benchmarks of strategies on tables of scores, which need no training: the code of `nas bench strategies`."""
