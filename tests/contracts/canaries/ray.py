"""Ray and Ray Tune, under `nas/search/runners/`."""

import inspect
import re
from collections.abc import Mapping

import nas.search.runners.ray  # noqa: F401 - sets environment variables that Ray reads when it is imported
from tests.contracts.canaries.canary import canary, found, mentions, rows, source, takes

RAY = "nas/search/runners/ray.py"
RAY_NEEDS = "nas/search/runners/ray_needs.py"


@canary(
    "ray._private.ray_constants.ENABLE_RAY_CLUSTER",
    RAY,
    "False makes `ray.init` listen on the loopback address: `services.get_node_ip_address` reads it at each call",
)
def _() -> None:
    assert isinstance(found("ray._private.ray_constants.ENABLE_RAY_CLUSTER"), bool)
    assert "ray_constants.ENABLE_RAY_CLUSTER" in inspect.getsource(found("ray._private.services.get_node_ip_address"))


@canary("ray.init._temp_dir", RAY, "places Ray's sockets where their path is short enough and writable")
def _() -> None:
    takes("ray.init", "address", "include_dashboard", "logging_level", "log_to_driver", "runtime_env")()
    assert 'kwargs.pop("_temp_dir"' in source("ray._private.worker")


def _environment(file: str, readers: Mapping[str, str]) -> None:
    """Add a row for each environment variable that a file of ours sets, with the module of Ray that reads it."""
    reliance = "an environment variable that Ray reads; a renamed one is silently ignored"
    rows(file, reliance, {f"ray: {name}": mentions(module, name) for name, module in readers.items()})


_environment(
    RAY_NEEDS,
    {
        "RAY_AIR_NEW_OUTPUT": "ray.tune.experimental.output",
        "RAY_USAGE_STATS_ENABLED": "ray._common.usage.usage_constants",
        "TUNE_DISABLE_SIGINT_HANDLER": "ray.tune.tune",
        "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "ray.tune.utils.callback",
        "TUNE_GLOBAL_CHECKPOINT_S": "ray.tune.execution.tune_controller",
        "TUNE_PRINT_ALL_TRIAL_ERRORS": "ray.tune.execution.tune_controller",
        "RAY_TMPDIR": "ray._common.utils",
    },
)
_environment(
    RAY,
    {
        "TUNE_MAX_PENDING_TRIALS_PG": "ray.tune.execution.tune_controller",
        "RAY_CHDIR_TO_TRIAL_DIR": "ray.tune.trainable.trainable",
        "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "ray._private.ray_constants",
        "RAY_DEDUP_LOGS_SKIP_REGEX": "ray._private.ray_constants",
    },
)
rows(
    RAY,
    "an extension point of Tune that we override: a Tune trial is a worker, which runs one job after another",
    {
        "ray.tune.schedulers.FIFOScheduler.choose_trial_to_run": takes(
            "ray.tune.schedulers.FIFOScheduler.choose_trial_to_run", "tune_controller"
        ),
        "ray.tune.schedulers.FIFOScheduler.on_trial_result": takes(
            "ray.tune.schedulers.FIFOScheduler.on_trial_result", "tune_controller", "trial", "result"
        ),
        "ray.tune.schedulers.FIFOScheduler.on_trial_error": takes(
            "ray.tune.schedulers.FIFOScheduler.on_trial_error", "tune_controller", "trial"
        ),
        "ray.tune.search.Searcher.suggest": takes("ray.tune.search.Searcher.suggest", "trial_id"),
        "ray.tune.search.Searcher.on_trial_complete": takes(
            "ray.tune.search.Searcher.on_trial_complete", "trial_id", "result", "error"
        ),
        "ray.tune.search.Searcher.save": takes("ray.tune.search.Searcher.save", "checkpoint_path"),
        "ray.tune.search.Searcher.restore": takes("ray.tune.search.Searcher.restore", "checkpoint_path"),
        "ray.tune.search.Searcher.FINISHED": mentions("ray.tune.search.search_generator", "Searcher.FINISHED"),
        "ray.tune.stopper.Stopper.stop_all": mentions("ray.tune.execution.tune_controller", "_stopper.stop_all()"),
        "ray.tune.Trainable.setup": takes("ray.tune.Trainable.setup", "config"),
        "ray.tune.run": takes(
            "ray.tune.run",
            *("stop", "resources_per_trial", "num_samples", "storage_path", "search_alg", "scheduler", "verbose"),
            *("trial_dirname_creator", "max_failures", "raise_on_failed_trial"),
        ),
    },
)


@canary(
    "ray.tune.execution.tune_controller.TuneController",
    RAY,
    "if the scheduler chooses no trial, Tune starts pending ones in order; Tune catches no BaseException, so that "
    "`_CarriedError` passes through",
)
def _() -> None:
    text = source("ray.tune.execution.tune_controller")
    assert re.search(r"trial_to_run = self\._scheduler_alg\.choose_trial_to_run\(.*\)\s+if trial_to_run:", text)
    assert "_maybe_add_actors(self._pending_trials_list)" in text
    assert not re.search(r"except( BaseException)?\b\s*(as \w+)?:", text)


@canary("ray.tune.experiment.Trial.temporary_state.ray_actor", RAY, "the worker's actor handle, which takes jobs")
def _() -> None:
    trial = found("ray.tune.experiment.Trial")("name", stub=True)
    assert trial.temporary_state.ray_actor is None
    assert trial.trial_id
    assert isinstance(found("ray.tune.experiment.Trial.error_file"), property)


@canary("ray.exceptions: 'creation task'", RAY, "text of the error if a worker cannot load its code (`_UNBORN`)")
def _() -> None:
    assert "creation task" in source("ray.exceptions")
    assert found("ray.exceptions.RuntimeEnvSetupError").__name__ == "RuntimeEnvSetupError"
