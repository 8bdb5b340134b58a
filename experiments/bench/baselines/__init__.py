"""What benchmarks compare with: the same thing, written as one would without this toolkit."""
