"""A driver to be killed: `python driver.py local|RAY_ADDRESS STORE LOG TRIALS`."""

import sys

from test_run_search import Search
from toys import DigitSpace, SumProxy

from nas.search.local_runner import LocalRunner
from nas.search.store import Store
from nas.search.types import Runner


def runner(place: str, proxy: SumProxy) -> Runner:
    if place == "local":
        return LocalRunner()
    from nas.search.ray_runner import RayRunner

    return RayRunner(steps=proxy.steps, address=place, cpus_per_trial=0.5)


def main(place: str, url: str, log: str, trials: str) -> None:
    proxy = SumProxy(steps=3, pause=0.02, log=log)
    space = DigitSpace(3, base=5, order=False)
    Search(Store(url), space, proxy=proxy, runner=runner(place, proxy)).run(int(trials))


if __name__ == "__main__":
    main(*sys.argv[1:])
