"""A search driver in its own process, for tests that kill it, suspend it or stop its database.

`python -m tests.unit.search.driver local|RAY_ADDRESS STORE LOG TRIALS [NAME BEAT_S]`. A named driver joins the study.
"""

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from nas.search import lease
from nas.search.runners.local import LocalRunner
from nas.search.store import Store
from nas.search.types import Runner
from tests.unit.search.searches import ToySearch
from tests.unit.search.toys import DigitSpace, SumProxy

_ROOT = Path(__file__).resolve().parents[3]
STEPS = 3
PATIENCE_S = 300.0
"""Time limit of every wait, s; far longer than the slowest machine needs."""


def start(
    place: str, url: str, log: Path, trials: int, *name: object, stderr: int | None = None
) -> subprocess.Popen[str]:
    """Start a driver in its own process."""
    arguments = [place, url, str(log), str(trials), *map(str, name)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path.cwd()), str(_ROOT)])}
    command = [sys.executable, "-m", "tests.unit.search.driver", *arguments]
    return subprocess.Popen(command, env=environment, text=True, stderr=stderr)


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait until a condition holds; fail after `PATIENCE_S`."""
    limit = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < limit, "the condition never held"
        time.sleep(0.02)


def runner(place: str, proxy: SumProxy) -> Runner:
    if place == "local":
        return LocalRunner()
    from nas.search.runners.ray import RayRunner

    return RayRunner(steps=proxy.steps, address=place, cpus_per_trial=0.5)


def run_until_killed(after: int, by: signal.Signals, *arguments: str) -> None:
    """Run a driver that signals itself at the given number of function calls, independent of the machine's speed."""
    calls = itertools.count(1)

    def look(frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and next(calls) == after:
            os.kill(os.getpid(), by)

    sys.setprofile(look)
    main(*arguments)


def main(place: str, url: str, log: str, trials: str, name: str = "", beat_s: str = "1") -> None:
    lease.BEAT_S = float(beat_s)
    store = Store(url)
    if name:
        store.join(name, {"seed": 1})
    proxy = SumProxy(steps=STEPS, pause=0.02, log=log)
    ToySearch(
        store=store,
        trials=int(trials),
        space=DigitSpace(4, base=6, order=False),
        proxy=proxy,
        runner=runner(place, proxy),
    ).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
