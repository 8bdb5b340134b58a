"""Jobs carried out by Ray Tune: on this machine's cores and GPUs, or on a cluster's.

Tune places trials, keeps their processes alive from one to the next and stops the hopeless ones. What it remembers
of a run is thrown away: the store is the truth, and a scheduler's rungs are rebuilt from it.
"""

import logging
import math
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"  # read on import: workers use this environment as it is

import ray
from ray import tune
from ray.tune.callback import Callback
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from nas.search.attempt import attempt, describe
from nas.search.scheduler import AshaConfig
from nas.search.types import Direction, Job, Report, State, Trial, Work

_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # an interrupt is for our caller
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",  # a failed trial has no metric
    "TUNE_GLOBAL_CHECKPOINT_S": "1e9",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
}


@dataclass(frozen=True)
class RayRunner:
    """Runs as many jobs at once as the machine or cluster has room for.

    Args:
        address: of a running cluster (`auto`, or `host:port`); None starts Ray on this machine and stops it after.
        cpus_per_trial: CPUs a trial reserves; torch runs on as many threads, at least one.
        gpus_per_trial: GPUs a trial reserves; may be a fraction.
        concurrent: how many trials run at once; None for as many as there is room for now.
        time_limit: seconds a trial may take.
        scheduler: when to stop a trial early; None for never.
        objective: the score the scheduler compares.
        steps: fidelity steps of a full evaluation.
        history: trials of earlier runs, whose reports the scheduler compares new ones with.
    """

    objective: tuple[str, Direction]
    steps: int
    address: str | None = None
    cpus_per_trial: float = 1.0
    gpus_per_trial: float = 0.0
    concurrent: int | None = None
    time_limit: float | None = None
    scheduler: AshaConfig | None = None
    history: Sequence[Trial] = ()

    def run(self, ask: Callable[[], Job | None], work: Work, tell: Callable[[Report], None]) -> None:
        with _connection(self.address, self._threads), tempfile.TemporaryDirectory() as folder:
            try:
                self._tune(_Asker(ask), work, _Teller(tell), folder)
            except _Carrier as carrier:
                raise carrier.error from None

    def _tune(self, asker: "_Asker", work: Work, teller: "_Teller", folder: str) -> None:
        worker = partial(_Worker.bound, work=work)
        tune.run(
            tune.with_parameters(
                _Worker,
                work=work,
                time_limit=self.time_limit,
                steps=self.steps,
                objective=self.objective[0],
                threads=self._threads,
            ),
            search_alg=asker,
            callbacks=[teller],
            scheduler=self._scheduler(),
            num_samples=-1,
            max_concurrent_trials=self.concurrent or self._room(),
            resources_per_trial={"cpu": self.cpus_per_trial, "gpu": self.gpus_per_trial},
            reuse_actors=True,
            max_failures=0,
            raise_on_failed_trial=False,
            storage_path=folder,
            trial_dirname_creator=lambda trial: str(_job(trial).number),
            verbose=0,
        )
