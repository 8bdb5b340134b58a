"""Errors of a request: arguments, files and settings that the user can correct."""

from pydantic import ValidationError

from search_spaces.errors import FusionNasError


class UsageError(FusionNasError):
    """A request is invalid; the message says what to change."""


def faults(error: ValidationError) -> str:
    """The first three invalid fields of a document, each with its reason."""
    return "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors()[:3])
