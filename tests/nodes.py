"""A Ray cluster of several nodes on one machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest


@dataclass
class Nodes:
    """The worker nodes of a cluster, which tests add and kill."""

    cluster: Any
    nodes: list[Any] = field(default_factory=list)

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    def join(self, **resources: float) -> None:
        self.nodes.append(self.cluster.add_node(**{"num_cpus": 1} | resources))

    def kill(self) -> None:
        """Kill the node that joined first."""
        self.cluster.remove_node(self.nodes.pop(0), allow_graceful=False)

    def kill_all(self) -> None:
        while self.nodes:
            self.kill()


@contextmanager
def running_cluster(cache: Path) -> Iterator[Nodes]:
    """A head node without CPUs. Worker nodes cannot import this project: Ray has to send them its code.

    Args:
        cache: download cache of the nodes.
    """
    import nas.search.runners.ray  # noqa: F401 - imported before ray, as in a search

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("FUSION_NAS_CACHE", str(cache))
        patch.delenv("PYTHONPATH", raising=False)
        from ray.cluster_utils import Cluster

        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
        yield Nodes(cluster)
        cluster.shutdown()
