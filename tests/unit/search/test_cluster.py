"""Searches on a cluster of several nodes, raylets on one machine, that join and die."""

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas.search.store import Store
from nas.search.types import CannotRun, Job, Report, Runner, Scores, State, Trial
from tests.nodes import Nodes
from tests.unit.search import toys
from tests.unit.search.driver import wait_until
from tests.unit.search.searches import ToySearch, small
from tests.unit.search.test_ray_runner import Journal
from tests.unit.search.toys import SumProxy, alive, hold, misbehave, paused_pids, release

pytestmark = [pytest.mark.ray, pytest.mark.cluster, pytest.mark.timeout(900)]

MANY = 100_000
"""Number of short jobs: enough that a worker that starts late still gets some."""


def runner(nodes: Nodes, **settings: Any) -> Runner:
    from nas.search.runners.ray import RayRunner

    return RayRunner(**{"steps": 2, "address": nodes.address} | settings)


@dataclass(frozen=True)
class Look:
    """Scores describe the node that runs the job, and the code and data it received."""

    pixels: np.ndarray
    sent_from: str

    def __call__(self, job: Job) -> Iterator[Scores]:
        import ray

        node = ray.get_runtime_context().get_node_id()
        foreign = toys.__file__ != self.sent_from
        gpus = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        for _ in range(2):
            yield {
                "ap": float(self.pixels.sum()),
                "node": float(int(node[:8], 16)),
                "copied": float(self.pixels.flags.owndata),
                "foreign": float(foreign),
                "gpu": float(gpus or -1),
            }
            time.sleep(0.1)


def seen(journal: Journal, score: str) -> set[float]:
    return {report.scores[score] for report in journal.reports if report.scores}


def test_code_and_data_reach_every_node(nodes: Nodes) -> None:
    nodes.join()
    nodes.join()
    journal = Journal([""] * MANY)

    def ask() -> Job | None:
        return journal.ask() if journal.asked < 12 or len(seen(journal, "node")) < 2 else None

    runner(nodes).run(ask, Look(np.ones(1_000_000, np.uint8), toys.__file__), journal.tell)
    ends = journal.ends()
    assert {end.state for end in ends.values()} == {State.finished}
    assert len(seen(journal, "node")) == 2
    assert seen(journal, "ap") == {1e6}
    assert seen(journal, "copied") == {0.0}, "views of each node's shared memory"
    assert seen(journal, "foreign") == {1.0}, "workers import the code that was sent, not this checkout"


def test_trials_of_a_dead_node_restart_on_another(nodes: Nodes, tmp_path: Path) -> None:
    nodes.join(num_cpus=2)
    nodes.join(num_cpus=2)
    store, log = Store(str(tmp_path / "study.db")), tmp_path / "log"
    before: list[Trial] = []

    def kill() -> None:
        wait_until(lambda: len(paused_pids(log)) == 4)
        before.extend(one for one in Store(str(tmp_path / "study.db")).trials() if one.state.ended)
        nodes.kill()
        wait_until(lambda: sum(map(alive, paused_pids(log))) == 2)  # workers die shortly after their node
        release(log)

    hold(log, 4)
    killer = threading.Thread(target=kill)
    killer.start()
    proxy = SumProxy(log=str(log))
    ToySearch(store=store, trials=16, strategy=small("random"), proxy=proxy, runner=runner(nodes)).run()
    killer.join()
    assert len(before) >= 4
    trials = store.trials()
    assert [trial.number for trial in trials] == list(range(16))
    assert {trial.state for trial in trials} == {State.finished}
    assert all(len(trial.reports) == 2 for trial in trials)
    assert [trials[one.number] for one in before] == before, "every ended trial is kept"
    assert sum(trial.attempts - 1 for trial in trials) == 2, "only the dead node's two trials restart"
    assert sorted(trial.told or 0 for trial in trials) == list(range(16)), "each trial is told once"


def test_a_node_that_joins_gets_trials(nodes: Nodes) -> None:
    """The node joins during a search on a single node."""
    nodes.join()
    journal = Journal([""] * MANY)

    def ask() -> Job | None:
        return journal.ask() if len(seen(journal, "node")) < 2 else None

    def tell(report: Report) -> bool:
        journal.tell(report)
        if report.number == 1 and report.state.ended:
            nodes.join()
        return False

    runner(nodes).run(ask, Look(np.ones(1, np.uint8), toys.__file__), tell)
    assert len(seen(journal, "node")) == 2


def test_a_trial_that_exceeds_every_node_is_refused(nodes: Nodes) -> None:
    nodes.join(num_cpus=2)
    nodes.join(num_gpus=1)
    too_much: list[dict[str, float]] = [{"cpus_per_trial": 3}, {"cpus_per_trial": 2, "gpus_per_trial": 1}]
    for asked in too_much:
        with pytest.raises(
            CannotRun, match=r"a trial asks for .*, and no node has it \(the most is .*\): ask for less"
        ):
            runner(nodes, **asked).run(Journal([""]).ask, misbehave, print)


@pytest.mark.parametrize(("share", "together"), [(0.5, 4), (0.6, 2)])
def test_trials_share_gpus(nodes: Nodes, share: float, together: int) -> None:
    """Each trial sees one GPU. A trial never reserves halves of two different GPUs."""
    nodes.join(num_cpus=8, num_gpus=2)
    journal = Journal([""] * MANY)
    running: set[int] = set()
    most: list[int] = []

    def ask() -> Job | None:
        if max(most, default=0) >= together and journal.asked >= 12:
            return None
        if job := journal.ask():
            running.add(job.number)
            most.append(len(running))
        return job

    def tell(report: Report) -> bool:
        if report.state.ended:
            running.discard(report.number)
        return journal.tell(report)

    runner(nodes, gpus_per_trial=share).run(ask, Look(np.ones(1, np.uint8), toys.__file__), tell)
    assert len(journal.ends()) >= 12
    assert seen(journal, "gpu") == {0.0, 1.0}
    assert max(most) == together
