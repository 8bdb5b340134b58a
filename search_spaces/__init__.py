"""What can be built: genotypes, and the spaces that produce them. Plain Python, no torch."""
