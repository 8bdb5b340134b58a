"""The store of trials: one row each, in an SQLite file by default, in PostgreSQL by URL.

The store is the system of record of a search. All other state (a strategy's population, a scheduler's rungs) is
rebuilt from it, so a driver may die at any moment and lose only its running trials.
"""

from nas.search.store.errors import KeyClaimed, NotRunning, StoreError, StudyFull, TakenOver
from nas.search.store.store import MOST_ATTEMPTS, Store

__all__ = ["MOST_ATTEMPTS", "KeyClaimed", "NotRunning", "Store", "StoreError", "StudyFull", "TakenOver"]
