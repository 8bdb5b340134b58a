"""From genotypes to networks: decoding, cost, training, evaluation, search and display."""
