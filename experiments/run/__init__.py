"""A search run: configuration, directory, data, runner, and the loop to its winner."""
