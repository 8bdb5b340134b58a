"""A trial whose worker dies restarts, up to a maximum number of attempts."""

import os
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nas.search.runners.pool import PoolRunner
from nas.search.store import Store
from nas.search.types import Direction, Runner, Scores, State
from tests.unit.search.searches import ToySearch, small
from tests.unit.search.toys import OBJECTIVES, Digits, DigitSpace


@dataclass(frozen=True)
class Deadly:
    """Sends SIGKILL to its worker if the first digit is 0, and SIGTERM, once per candidate, if the first digit is 1."""

    folder: str
    steps: int = 2

    @property
    def objectives(self) -> Mapping[str, Direction]:
        return OBJECTIVES

    def evaluate(self, genotype: Digits, *, seed: int, device: str) -> Iterator[Scores]:
        yield {"ap": 0.5}
        seen = Path(self.folder, genotype.key())
        if genotype.values[0] == 0 or (genotype.values[0] == 1 and not seen.exists()):
            seen.touch()
            os.kill(os.getpid(), signal.SIGTERM if genotype.values[0] else signal.SIGKILL)
        yield {"ap": 1.0}


@pytest.fixture(params=["pool", pytest.param("ray", marks=pytest.mark.ray)])
def runner(request: Any) -> Runner:
    if request.param == "pool":
        return PoolRunner(workers=2, batch=2)
    from nas.search.runners.ray import RayRunner

    return RayRunner(steps=2, address=request.getfixturevalue("ray_address"))


def test_a_trial_whose_worker_dies_is_retried_up_to_the_limit(runner: Runner, tmp_path: Path) -> None:
    store = Store(str(tmp_path / "study.db"))
    space = DigitSpace(1, base=3)
    ToySearch(
        store=store, trials=3, space=space, strategy=small("random"), proxy=Deadly(str(tmp_path)), runner=runner
    ).run()  # type: ignore[arg-type]
    trials = {trial.key: trial for trial in store.trials()}
    assert {key: (trial.state, trial.attempts) for key, trial in trials.items()} == {
        "0": (State.failed, 3),
        "1": (State.finished, 2),
        "2": (State.finished, 1),
    }
    assert (trials["0"].error or "").startswith("worker died: ")
    assert (trials["0"].error or "").endswith(" (3 attempts)")
    assert all(len(trial.reports) == 2 for key, trial in trials.items() if key != "0")
