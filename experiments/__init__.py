"""What people run: the `nas` command, presets, benchmarks and results."""
