"""Benchmarks behind the project's claims about speed and quality: `python -m experiments.bench.NAME`."""
