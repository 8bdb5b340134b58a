"""Heartbeats of the drivers that share a study, and detection of dead drivers."""

import logging
import random
import threading
from types import TracebackType

from sqlalchemy.exc import DBAPIError

from nas.search.store import Store
from nas.search.store.study import Pulse

BEAT_S = 3.0
"""Heartbeat interval, s."""
MOST_MISSED = 5
"""A driver counts as dead after missing this many heartbeats of another one: `BEAT_S * MOST_MISSED` seconds."""

_LOG = logging.getLogger(__name__)


class Lease:
    """Renews the lease of a joined store's driver by heartbeats and watches the other drivers; a context manager.

    Each driver counts its own heartbeats in the store, and how many of these pass while another driver's count stands
    still. No clocks of two machines are compared, and no driver expires while the database is unreachable. A driver
    that was suspended and counts as dead loses only the trials that others have restarted.

    Does nothing for a store that has not joined its study.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pulses: dict[int, Pulse] = {}
        self._missed: dict[int, int] = {}
        self._stopped = threading.Event()
        self._heartbeat_done = threading.Condition()
        self._thread = threading.Thread(target=self._heartbeat_loop, daemon=True)

    @property
    def others(self) -> bool:
        """Whether another driver has ever joined the study."""
        return len(self._missed) > 0

    @property
    def dead(self) -> frozenset[int]:
        """Slots of the drivers whose lease has expired."""
        return frozenset(slot for slot, missed in self._missed.items() if missed >= MOST_MISSED)

    def wait(self) -> None:
        """Wait for this driver's next heartbeat, sent or failed."""
        with self._heartbeat_done:
            self._heartbeat_done.wait(BEAT_S)

    def __enter__(self) -> "Lease":
        if self._store.joined:
            self._heartbeat()
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        if self._store.joined:
            self._thread.join(BEAT_S)

    def _heartbeat_loop(self) -> None:
        # jitter: drivers in step would contend for the same lock at every heartbeat
        while not self._stopped.wait(BEAT_S * random.uniform(0.8, 1.0)):
            self._heartbeat()
            with self._heartbeat_done:
                self._heartbeat_done.notify_all()

    def _heartbeat(self) -> None:
        try:
            pulses = self._store.beat()
        except DBAPIError as error:  # other calls wait for the database, and log it
            _LOG.debug("heartbeat failed: %s", error)
            return
        del pulses[self._store.slot]
        unchanged = {slot for slot, pulse in pulses.items() if self._pulses.get(slot) == pulse}
        self._missed = {slot: self._missed[slot] + 1 if slot in unchanged else 0 for slot in pulses}
        self._pulses = pulses
