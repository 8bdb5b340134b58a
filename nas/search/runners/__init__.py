"""Runners: trials are evaluated in this process, in a pool of processes, or by Ray Tune; one runner a file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from nas.deferred import deferred
from nas.search.types import Runner


@dataclass(frozen=True)
class Resources:
    """What a run asks of its runner; each runner uses what applies to it.

    Attributes:
        steps: fidelity steps of a full evaluation.
        address: running Ray cluster, "auto" or host:port; None for this machine.
        cpus_per_trial: CPU cores that a trial reserves.
        gpus_per_trial: GPUs that a trial reserves; may be a fraction.
        concurrent: maximum number of trials that run at once; None for as many as the resources allow.
        time_limit: seconds a trial may take; None for no limit.
    """

    steps: int
    address: str | None = None
    cpus_per_trial: float = 1.0
    gpus_per_trial: float = 0.0
    concurrent: int | None = None
    time_limit: float | None = None


@dataclass(frozen=True)
class RunnerKind:
    """A runner that a configuration can name.

    Attributes:
        about: where trials run, for help texts.
        build: builds the runner; imports its module.
        clusters: whether the runner reaches a cluster at an address.
        parallel: whether several trials can run at once.
        gpus: whether a trial reserves a GPU by default where there is one.
    """

    about: str
    build: Callable[[Resources], Runner]
    clusters: bool = False
    parallel: bool = True
    gpus: bool = True


RUNNERS: Mapping[str, RunnerKind] = MappingProxyType(
    {
        "ray": RunnerKind(
            "in parallel, on this machine or a cluster", deferred("nas.search.runners.ray:build"), clusters=True
        ),
        "pool": RunnerKind(
            "in parallel processes of one thread each, for proxies that score many candidates per second",
            deferred("nas.search.runners.pool:build"),
            gpus=False,
        ),
        "local": RunnerKind(
            "one at a time, in this process", deferred("nas.search.runners.local:build"), parallel=False
        ),
    }
)
"""The runners by name; the first is the default."""
