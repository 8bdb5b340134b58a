"""One Ray cluster for all tests of a session."""

import os
import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def ray_address() -> Iterator[str]:
    """Address of a cluster of two CPUs whose workers import what the tests can."""
    import nas.search.ray_runner  # noqa: F401 - before Ray itself, as in a search

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_MODE", "disabled")  # alike in the cluster and in drivers that reach it by address
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        yield from _cluster()


def _cluster() -> Iterator[str]:
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
    yield cluster.address
    cluster.shutdown()
