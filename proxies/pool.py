"""Score many genotypes in parallel, outside a search."""

from collections.abc import Iterable
from dataclasses import replace

from nas.search.runners.evaluate import Evaluate
from nas.search.types import Job, Proxy, Report, Runner, Scores, State
from search_spaces.genotype import Genotype


def evaluate_all(
    proxy: Proxy, genotypes: Iterable[Genotype], *, runner: Runner, seed: int = 0, device: str = "cpu"
) -> list[Report]:
    """Score each genotype; returns the final reports in the order given, with the last scores or the error.

    Args:
        proxy: scores them.
        genotypes: consumed lazily, as workers become free.
        runner: runs the evaluations; `PoolRunner` suits quick proxies.
        seed: of every evaluation.
        device: passed to the proxy.
    """
    jobs = (Job(number, genotype.to_json(), seed) for number, genotype in enumerate(genotypes))
    scores: dict[int, Scores] = {}
    ends: dict[int, Report] = {}

    def tell(report: Report) -> bool:
        if report.scores:
            scores[report.number] = report.scores
        if report.state.ended:
            last = None if report.state is State.failed else scores.get(report.number)
            ends[report.number] = replace(report, scores=last)
        return False

    runner.run(lambda: next(jobs, None), Evaluate(proxy, device, Genotype.from_json), tell)
    return [ends[number] for number in sorted(ends)]
