"""Puts this directory on the import path, so that every test can `from support import ...`, and evens out machines.

Torch keeps to one thread: threads that wait for each other on shared cores make small tensors many times slower.
Interrupts are heard: a shell has them ignored in what it starts in the background, and in all that this starts.
"""

import os
import signal
from collections.abc import Iterator

import pytest
from postgres import Server, running_server

os.environ.setdefault("OMP_NUM_THREADS", "1")
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server for all tests of a session, each of which has databases of its own."""
    with running_server() as server:
        yield server
