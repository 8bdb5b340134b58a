"""The runner of a search or a ranking, built from its configuration."""

from experiments.run.config import RunConfig
from nas.search.types import Runner
from nas.training.device import best_device


def gpus_per_trial(config: RunConfig) -> float:
    """The configured number; else 0 for the pool, and otherwise 1 if this machine has a GPU."""
    if config.gpus_per_trial is not None:
        return config.gpus_per_trial
    if config.runs_on == "pool":
        return 0.0
    return 1.0 if best_device("auto") == "cuda" else 0.0


def build_runner(config: RunConfig, *, steps: int) -> Runner:
    """Build the configured runner; `steps` is the largest number of fidelity steps of its proxies."""
    if config.runs_on == "pool":
        from nas.search.runners.pool import PoolRunner

        return PoolRunner(workers=config.concurrent, time_limit=config.time_limit)
    if config.runs_on == "local":
        from nas.search.runners.local import LocalRunner

        return LocalRunner(time_limit=config.time_limit)
    from nas.search.runners.ray import RayRunner

    return RayRunner(
        steps=steps,
        address=config.ray_address,
        cpus_per_trial=config.cpus_per_trial,
        gpus_per_trial=gpus_per_trial(config),
        concurrent=config.concurrent,
        time_limit=config.time_limit,
    )
