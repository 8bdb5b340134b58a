"""Errors that are the caller's to mend."""

from pydantic import ValidationError


class UsageError(ValueError):
    """What was asked for cannot be done as asked; the message says what to change."""


def faults(error: ValidationError) -> str:
    """The first few fields that are wrong in a document, and why."""
    return "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors()[:3])
