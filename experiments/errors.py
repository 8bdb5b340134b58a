"""Errors of a request: arguments, files and settings that the user can correct."""

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from search_spaces.errors import FusionNasError


class UsageError(FusionNasError):
    """A request is invalid; the message says what to change."""


def faults(error: ValidationError) -> str:
    """The first three invalid fields of a document, each with its value and the reason."""
    return "; ".join(map(_fault, error.errors()[:3]))


def _fault(error: ErrorDetails) -> str:
    given = error["input"]
    reason = error["msg"].removeprefix("Value error, ").replace("Input should be", "should be")
    if error["type"] in ("model_type", "model_attributes_type"):
        reason = "should be an object with fields"  # pydantic would name a class
    elif error["type"] != "value_error" and isinstance(given, str | int | float):
        reason = f"{given!r} {reason}" if reason.startswith("should be") else f"{reason}: {given!r}"
    return ": ".join(filter(None, (".".join(map(str, error["loc"])), reason)))
