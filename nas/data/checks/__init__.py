"""What is checked of a data set before training."""
