"""A predictor that learns scores from genotypes."""
