"""What can be wrong with a store, or with what it is asked for."""

from search_spaces.errors import FusionNasError


class StoreError(FusionNasError):
    """A store cannot be opened, read or written, or was asked for what it does not allow."""


class KeyClaimed(StoreError):
    """The study has a trial of this key already: another driver was faster."""


class StudyFull(StoreError):
    """The study has all its trials already: another driver was faster."""


class NotRunning(StoreError):
    """The trial has ended: it cannot change any more."""


class TakenOver(NotRunning):
    """Another driver has begun the trial anew: this one was taken for dead."""


class DamagedRow(ValueError):
    """A row of a store cannot be read as what it was written as."""


def damaged(place: str, how: str) -> str:
    """What is said of a store that is not whole."""
    return (
        f"{place} is damaged ({how}): put a copy of it back, or save what can be read with "
        f"`sqlite3 {place} .recover`; nothing was changed"
    )
