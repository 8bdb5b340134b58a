"""Shared fixtures, and settings that make the tests independent of the machine.

- Torch runs on one thread: on shared cores, thread contention makes operations on small tensors many times slower.
- Ray's token authentication is off: Ray fixes the mode at its first start in a process, and the tests start it both
  as a local instance and as a client of a cluster.
- SIGINT raises KeyboardInterrupt: a shell starts background processes with SIGINT ignored, and children inherit that.
- Hypothesis has no deadline per example.
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
settings.register_profile("machine-independent", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("machine-independent")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the quick tier, and run all Ray tests in one xdist worker: each test's Ray workers use all cores."""
    for item in items:
        if item.get_closest_marker("ray"):
            item.add_marker(pytest.mark.xdist_group("ray"))
        if is_quick(item):
            item.add_marker(pytest.mark.quick)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """One PostgreSQL server per session; each test creates its own databases."""
    with running_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty database for one test: SQLite, then PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'study.db'}"
    server: Server = request.getfixturevalue("postgres")
    return server.database()


@pytest.fixture(scope="session")
def node_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Download cache of the cluster's nodes."""
    return tmp_path_factory.mktemp("node-cache")


@pytest.fixture(scope="session")
def cluster(node_cache: Path) -> Iterator[Nodes]:
    """One Ray cluster per session."""
    with running_cluster(node_cache) as nodes:
        yield nodes


@pytest.fixture
def ray_address(cluster: Nodes) -> str:
    """Address of the cluster, which has a node with two CPUs."""
    if not cluster.nodes:
        cluster.join(num_cpus=2)
    return cluster.address


@pytest.fixture
def nodes(cluster: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nodes]:
    """The cluster without worker nodes: the test adds them."""
    cluster.kill_all()
    monkeypatch.chdir(tmp_path)  # Ray adds the driver's working directory to the workers' import path
    yield cluster
    cluster.kill_all()
