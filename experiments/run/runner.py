"""The runner of a search or a ranking, built from its configuration."""

from experiments.run.config import RunConfig
from nas.search.runners import RUNNERS, Resources
from nas.search.types import Runner
from nas.training.device import best_device


def gpus_per_trial(config: RunConfig) -> float:
    """The configured number; else 1 if this machine has a GPU and the runner reserves GPUs, else 0."""
    if config.gpus_per_trial is not None:
        return config.gpus_per_trial
    return 1.0 if RUNNERS[config.runs_on].gpus and best_device("auto") == "cuda" else 0.0


def build_runner(config: RunConfig, *, steps: int) -> Runner:
    """Build the configured runner; `steps` is the largest number of fidelity steps of its proxies."""
    resources = Resources(
        steps=steps,
        address=config.ray_address,
        cpus_per_trial=config.cpus_per_trial,
        gpus_per_trial=gpus_per_trial(config),
        concurrent=config.concurrent,
        time_limit=config.time_limit,
    )
    return RUNNERS[config.runs_on].build(resources)
