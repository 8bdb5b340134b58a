"""A driver to be killed, stopped and left without its database.

`python -m tests.unit.search.driver local|RAY_ADDRESS STORE LOG TRIALS [NAME BEAT_S]`: with a name it joins the study.
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
"""Seconds after which a test holds that what it waits for has hung."""


def start(
    place: str, url: str, log: Path, trials: int, *name: object, stderr: int | None = None
) -> subprocess.Popen[str]:
    """A driver in a process of its own."""
    arguments = [place, url, str(log), str(trials), *map(str, name)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path.cwd()), str(_ROOT)])}
    command = [sys.executable, "-m", "tests.unit.search.driver", *arguments]
    return subprocess.Popen(command, env=environment, text=True, stderr=stderr)


def until(holds: Callable[[], bool]) -> None:
    """Wait for it; the limit is there for what never comes about, and far beyond what the slowest machine takes."""
    limit = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < limit, "it never came about"
        time.sleep(0.02)


def runner(place: str, proxy: SumProxy) -> Runner:
    if place == "local":
        return LocalRunner()
    from nas.search.runners.ray import RayRunner

    return RayRunner(steps=proxy.steps, address=place, cpus_per_trial=0.5)


def until_killed(after: int, by: signal.Signals, *arguments: str) -> None:
    """A driver that gets a signal at a call of a function, so many after its start: however fast the machine is."""
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
