"""The surrogate model: predicts scores from a genotype's features."""
