"""Composed scenes of handwritten digits: data without a download."""
