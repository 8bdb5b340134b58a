"""Puts this directory on the import path, so that every test can `from support import ...`, and evens out machines.

Torch keeps to one thread: threads that wait for each other on shared cores make small tensors many times slower.
Interrupts are heard: a shell has them ignored in what it starts in the background, and in all that this starts.
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nodes import Nodes, running_head
from postgres import Server, running_server

os.environ.setdefault("OMP_NUM_THREADS", "1")
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server for all tests of a session, each of which has databases of its own."""
    with running_server() as server:
        yield server


@pytest.fixture(scope="session")
def node_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the nodes of a cluster keep the data that they fetch."""
    return tmp_path_factory.mktemp("node-cache")


@pytest.fixture(scope="session")
def head(node_cache: Path) -> Iterator[Any]:
    """The head of a Ray cluster for all tests of a session."""
    with running_head(node_cache) as cluster:
        yield cluster


@pytest.fixture
def nodes(head: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nodes]:
    """A cluster without nodes to carry trials: the test starts them."""
    monkeypatch.chdir(tmp_path)  # Ray lets workers import from where its driver stands
    nodes = Nodes(head)
    yield nodes
    while nodes.nodes:
        nodes.kill()
