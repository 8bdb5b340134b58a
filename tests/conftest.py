"""Even out machines.

Torch keeps to one thread: threads that wait for each other on shared cores make small tensors many times slower.
Ray asks nobody for a token: a process stays with what it did first, be it with a cluster or on its own machine.
Interrupts are heard: a shell has them ignored in what it starts in the background, and in all that this starts.
Hypothesis looks at no clock: an example may take as long as it does.
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.nodes import Nodes, running_cluster
from tests.postgres import Server, running_server
from tests.tiers import is_quick

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["RAY_AUTH_MODE"] = "disabled"
signal.signal(signal.SIGINT, signal.default_int_handler)
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the quick tier, and keep tests with Ray in one process: each of them has all cores for its workers."""
    for item in items:
        if item.get_closest_marker("ray"):
            item.add_marker(pytest.mark.xdist_group("ray"))
        if is_quick(item):
            item.add_marker(pytest.mark.quick)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server for all tests of a session, each of which has databases of its own."""
    with running_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of a database of its own, of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'study.db'}"
    server: Server = request.getfixturevalue("postgres")
    return server.database()


@pytest.fixture(scope="session")
def node_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the nodes of a cluster keep the data that they fetch."""
    return tmp_path_factory.mktemp("node-cache")


@pytest.fixture(scope="session")
def cluster(node_cache: Path) -> Iterator[Nodes]:
    """A Ray cluster for all tests of a session."""
    with running_cluster(node_cache) as nodes:
        yield nodes


@pytest.fixture
def ray_address(cluster: Nodes) -> str:
    """Address of the cluster, with two CPUs."""
    if not cluster.nodes:
        cluster.join(num_cpus=2)
    return cluster.address


@pytest.fixture
def nodes(cluster: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nodes]:
    """The cluster without nodes to carry trials: the test starts them."""
    cluster.kill_all()
    monkeypatch.chdir(tmp_path)  # Ray lets workers import from where its driver stands
    yield cluster
    cluster.kill_all()
