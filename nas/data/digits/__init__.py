"""Composed scenes of handwritten digits: data that is always there."""
