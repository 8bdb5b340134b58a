"""Ray and `nas search` accept the cluster files."""

import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from experiments.commands.arguments import parse
from experiments.run.config import SearchConfig
from experiments.run.presets import preset

CLUSTER = Path(__file__).resolve().parents[3] / "experiments" / "cluster"
TRIALS = 64


def read(name: str) -> Any:
    return yaml.safe_load((CLUSTER / name).read_text())


def trials(resources: dict[str, Any], flags: SearchConfig) -> int:
    assert flags.gpus_per_trial
    return min(int(resources["GPU"] / flags.gpus_per_trial), int(resources["CPU"] / flags.cpus_per_trial))


@pytest.fixture
def job() -> SearchConfig:
    """The search of the Kubernetes job."""
    nas, search, *flags = shlex.split(read("rayjob.yaml")["spec"]["entrypoint"])
    assert (nas, search) == ("nas", "search")
    return parse(SearchConfig, "search", flags, preset("boxes"))


@pytest.mark.ray
def test_ray_s_launcher_accepts_the_cluster_file(job: SearchConfig) -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    config = prepare_config(read("cluster.yaml"))
    validate_config(config)
    head, worker = (config["available_node_types"][name] for name in ("head", "worker"))
    assert head["resources"]["CPU"] == 0
    assert worker["min_workers"] >= 1
    assert worker["max_workers"] * trials(worker["resources"], job) == TRIALS


def test_the_kubernetes_job_runs_the_same_number_of_trials(job: SearchConfig) -> None:
    spec = read("rayjob.yaml")["spec"]["rayClusterSpec"]
    (group,) = spec["workerGroupSpecs"]
    (container,) = group["template"]["spec"]["containers"]
    limits = container["resources"]["limits"]
    room = trials({"CPU": float(limits["cpu"]), "GPU": float(limits["nvidia.com/gpu"])}, job)
    assert group["minReplicas"] >= 1
    assert group["maxReplicas"] * room == TRIALS
    assert spec["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert job.ray_address == "auto"
