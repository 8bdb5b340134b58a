"""Benchmarks: `python -m experiments.bench.NAME` prints what the project claims about speed."""
