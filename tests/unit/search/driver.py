"""A driver to be killed, stopped and left without its database.

`python driver.py local|RAY_ADDRESS STORE LOG TRIALS [NAME BEAT_S]`: with a name it joins the study.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

from searches import Search
from toys import DigitSpace, SumProxy

from nas.search import lease
from nas.search.local_runner import LocalRunner
from nas.search.store import Store
from nas.search.types import Runner

STEPS = 3


def start(
    place: str, url: str, log: Path, trials: int, *name: object, stderr: int | None = None
) -> subprocess.Popen[str]:
    """A driver in a process of its own."""
    here = Path(__file__).parent
    arguments = [place, url, str(log), str(trials), *map(str, name)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path.cwd()), str(here), str(here.parents[1])])}
    command = [sys.executable, str(here / "driver.py"), *arguments]
    return subprocess.Popen(command, env=environment, text=True, stderr=stderr)


def runner(place: str, proxy: SumProxy) -> Runner:
    if place == "local":
        return LocalRunner()
    from nas.search.ray_runner import RayRunner

    return RayRunner(steps=proxy.steps, address=place, cpus_per_trial=0.5)


def main(place: str, url: str, log: str, trials: str, name: str = "", beat_s: str = "1") -> None:
    lease.BEAT_S = float(beat_s)
    store = Store(url)
    if name:
        store.join(name, {"seed": 1})
    while Path(f"{log}.hold").exists():  # until all have joined
        time.sleep(0.01)
    proxy = SumProxy(steps=STEPS, pause=0.02, log=log)
    Search(store, DigitSpace(4, base=6, order=False), proxy=proxy, runner=runner(place, proxy)).run(int(trials))


if __name__ == "__main__":
    main(*sys.argv[1:])
