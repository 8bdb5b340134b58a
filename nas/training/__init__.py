"""Training and evaluation of decoded networks."""
