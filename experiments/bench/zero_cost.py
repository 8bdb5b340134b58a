"""Time of the zero-cost scores, and overhead of the pool: `python -m experiments.bench.zero_cost`.

Genotypes of the joint space at the default proxy scale, on digits. The time of a score is processor time on one thread,
which depends little on other load. The overhead is measured with one process, so that none waits for another.
"""

import random
import resource
import statistics
import time
from collections.abc import Sequence

import torch

from experiments.bench.baselines.no_proxy import NoProxy
from experiments.commands.arguments import run
from nas.cost import cost
from nas.data.digits.scenes import DigitsConfig, digits
from nas.detectors import build_detector
from nas.search.runners.evaluate import Evaluate
from nas.search.runners.pool import PoolRunner
from nas.search.types import Job, Report
from nas.training.batches import Batches
from proxies.config import ZeroCostConfig
from proxies.pool import evaluate_all
from proxies.zero_cost import ZERO_COST
from proxies.zero_cost.network import open_gates
from proxies.zero_cost.proxy import ZeroCost
from search_spaces.choose import sample
from search_spaces.genotype import Genotype
from search_spaces.joint import JointSpace


def genotypes(count: int) -> list[Genotype]:
    return [sample(JointSpace(), random.Random(number)).value for number in range(count)]


def seconds(proxy: ZeroCost, candidates: Sequence[Genotype]) -> dict[str, float]:
    """Median processor time per candidate, by step, s."""
    config, data = proxy.config, proxy.data
    taken: dict[str, list[float]] = {}

    def lap(name: str, start: float) -> float:
        taken.setdefault(name, []).append(time.process_time() - start)
        return time.process_time()

    batches = list(Batches(data, proxy.images, config.batch_size).training(seed=0, epoch=0, flip=False, device="cpu"))
    for genotype in candidates:
        start = time.process_time()
        cost(genotype, config.scale, image_size=config.image_size, num_classes=data.num_classes)
        start = lap("cost", start)
        detector = build_detector(genotype, config.scale, data.num_classes, config.detector)
        open_gates(detector)
        start = lap("building", start)
        for name, score in ZERO_COST.items():
            score(detector, batches)
            start = lap(name, start)
    return {name: statistics.median(values) for name, values in taken.items()}


def overhead(candidates: Sequence[Genotype], batch: int) -> tuple[float, float]:
    """Pool overhead per candidate with an empty proxy, ms of wall time, and total processor time, ms."""
    jobs = (Job(number, genotype.to_json(), 0) for number, genotype in enumerate(candidates))
    ends: list[float] = []
    spent: list[float] = []

    def tell(report: Report) -> bool:
        if report.state.ended:
            ends.append(time.perf_counter())
            spent.append(report.seconds)
        return False

    runner = PoolRunner(workers=1, batch=batch)
    before = processor()
    runner.run(lambda: next(jobs, None), Evaluate(NoProxy(steps=1), "cpu", Genotype.from_json), tell)
    wall = (ends[-1] - ends[0] - sum(spent[1:])) / (len(ends) - 1)
    return wall * 1e3, (processor() - before) * 1e3


def processor() -> float:
    """Processor time of this process and its ended children, s."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def main(*, candidates: int = 12, empty: int = 2000, batch: int = PoolRunner.batch) -> None:
    """Print the overhead of the pool, and the time of every score.

    Args:
        candidates: candidates to time each score on.
        empty: empty candidates to measure the overhead on.
        batch: candidates sent to a worker at once.
    """
    torch.set_num_threads(1)
    proxy = ZeroCost.prepare(ZeroCostConfig(), digits(DigitsConfig(train_images=32, val_images=1)))
    drawn, idle = genotypes(candidates), genotypes(empty)
    _, startup_ms = overhead(idle[:100], batch)
    wall, total = overhead(idle, batch)
    print(f"overhead in the pool  {wall:.2f} ms per candidate in wall time, without parsing the genotype")
    print(f"processor time there  {(total - startup_ms) / (len(idle) - 100):.2f} ms per candidate, with parsing")
    for name, value in seconds(proxy, drawn).items():
        print(f"{name:20}  {value:.3f} s per candidate")
    start = time.perf_counter()
    evaluate_all(proxy, drawn, runner=PoolRunner())
    print(f"whole run            {(time.perf_counter() - start) / len(drawn):.2f} s per candidate in wall time")


if __name__ == "__main__":
    run(main, __doc__)
