"""A search, from its configuration to its winner."""
