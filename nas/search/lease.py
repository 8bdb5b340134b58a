"""How drivers that share a study know of each other's lives."""

import logging
import random
import threading
from types import TracebackType

from sqlalchemy.exc import DBAPIError

from nas.search.store import Store
from nas.search.store.study import Pulse

BEAT_S = 3.0
"""Seconds between two signs of life."""
MOST_MISSED = 5
"""A driver that shows none while another one shows so many is held to be dead: `BEAT_S * MOST_MISSED` seconds."""

_LOG = logging.getLogger(__name__)


class Lease:
    """Keeps a joined store's driver alive in the eyes of the others, and watches them; a context manager.

    Each driver counts its beats in the store, and how many of its own pass while another one's stand still. So no two
    machines' clocks are compared, and while nobody reaches the database nobody dies. Whoever was taken for dead and
    is not, because its machine was suspended, loses nothing but the trials that others have begun anew.

    Without others, that is over a store that has not joined, it does nothing.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen: dict[int, Pulse] = {}
        self._missed: dict[int, int] = {}
        self._over = threading.Event()
        self._beaten = threading.Condition()
        self._thread = threading.Thread(target=self._beat_on, daemon=True)

    @property
    def others(self) -> bool:
        """Whether anybody else has ever taken part in the study."""
        return len(self._missed) > 0

    @property
    def dead(self) -> frozenset[int]:
        """Slots of drivers that show no life any more."""
        return frozenset(slot for slot, missed in self._missed.items() if missed >= MOST_MISSED)

    def wait(self) -> None:
        """Wait for this driver's next beat, or try to beat."""
        with self._beaten:
            self._beaten.wait(BEAT_S)

    def __enter__(self) -> "Lease":
        if self._store.joined:
            self._try_to_beat()
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._store.joined:
            self._thread.join(BEAT_S)

    def _beat_on(self) -> None:
        # no two drivers in step: they would always meet at the same lock
        while not self._over.wait(BEAT_S * random.uniform(0.8, 1.0)):
            self._try_to_beat()
            with self._beaten:
                self._beaten.notify_all()

    def _try_to_beat(self) -> None:
        try:
            pulses = self._store.beat()
        except DBAPIError as error:  # whoever needs the database waits for it, and says so
            _LOG.debug("no beat: %s", error)
            return
        del pulses[self._store.slot]
        still = {slot for slot, pulse in pulses.items() if self._seen.get(slot) == pulse}
        self._missed = {slot: self._missed[slot] + 1 if slot in still else 0 for slot in pulses}
        self._seen = pulses
