"""Errors that are the caller's to mend."""


class UsageError(ValueError):
    """What was asked for cannot be done as asked; the message says what to change."""
