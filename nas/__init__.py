"""How a genotype becomes a network, how networks train and are scored, how a search runs and is shown."""
