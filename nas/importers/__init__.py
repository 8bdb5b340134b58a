"""Import of weights from other code bases."""
