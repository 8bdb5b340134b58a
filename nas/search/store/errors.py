"""Errors of a store and of requests to it."""

from search_spaces.errors import FusionNasError


class StoreError(FusionNasError):
    """A store cannot be opened, read or written, or a request is invalid."""


class KeyClaimed(StoreError):
    """The study already has a trial of this key: another driver created it first."""


class StudyFull(StoreError):
    """The study already has all its trials."""


class NotRunning(StoreError):
    """The trial has ended and cannot change any more."""


class TakenOver(NotRunning):
    """Another driver has restarted the trial: this driver counted as dead."""


class DamagedRow(ValueError):
    """A row of a store does not parse."""


def damaged(place: str, how: str) -> str:
    """The message about a damaged store."""
    return (
        f"{place} is damaged ({how}): put a copy of it back, or save what can be read with "
        f"`sqlite3 {place} .recover`; nothing was changed"
    )
