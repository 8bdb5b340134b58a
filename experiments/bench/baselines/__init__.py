"""Baselines of the benchmarks: the same tasks, written without this toolkit."""
