"""The contract of every proxy."""

from collections.abc import Iterable, Iterator
from itertools import islice
from multiprocessing.reduction import ForkingPickler

from experiments.contracts.contract import Broken, Contract
from nas.search.runners.attempt import plain
from nas.search.types import Proxy, Scores
from search_spaces.zoo import zoo

SEEDED = "seed every generator it uses with the seed it is given, and keep no state between evaluations"

TIMES = "_ms"
"""Suffix of scores that are measured times, which differ between evaluations."""


def _evaluate(proxy: Proxy) -> Iterator[Scores]:
    return iter(proxy.evaluate(zoo("fpn").genotype, seed=1, device="cpu"))


def _repeatable(reports: Iterable[Scores]) -> list[Scores]:
    return [{name: score for name, score in scores.items() if not name.endswith(TIMES)} for scores in reports]


def _declares_objectives(proxy: Proxy) -> None:
    if not proxy.objectives or not set(proxy.objectives.values()) <= {"max", "min"}:
        raise Broken(
            f"its objectives are {dict(proxy.objectives)}: map names of scores to 'max' or 'min', the main one first"
        )


def _scores_once_a_step(proxy: Proxy) -> None:
    reports = list(_evaluate(proxy))
    if len(reports) != proxy.steps:
        raise Broken(f"it has steps={proxy.steps} and yields {len(reports)} times: yield once per step")
    for step, scores in enumerate(reports, start=1):
        if missing := sorted(set(proxy.objectives) - set(scores)):
            raise Broken(f"it yields {sorted(scores)} without {missing}: yield every objective at every step")
        try:
            plain(scores, step)
        except ValueError as error:
            raise Broken(f"{error}: yield finite numbers, and raise for a candidate that has none") from error


def _repeats_itself(proxy: Proxy) -> None:
    first, again = (_repeatable(_evaluate(proxy)) for _ in range(2))
    if first != again:
        raise Broken(f"two evaluations at one seed scored {first[-1:]} and {again[-1:]}: {SEEDED}")


def _travels(proxy: Proxy) -> None:
    try:
        sent: Proxy = ForkingPickler.loads(ForkingPickler.dumps(proxy))  # as the pool sends it
    except Exception as error:
        raise Broken(
            f"it does not pickle ({type(error).__name__}: {error}): hold plain data and importable functions"
        ) from error
    here, there = (_repeatable(islice(_evaluate(each), 1)) for each in (proxy, sent))
    if here != there:
        raise Broken(f"after pickling it scores {there[0]}, not {here[0]}: include its state in the pickle")


def _may_be_stopped(proxy: Proxy) -> None:
    whole = _repeatable(_evaluate(proxy))
    cut = _evaluate(proxy)
    next(cut)
    del cut
    if _repeatable(_evaluate(proxy)) != whole:
        raise Broken(f"after an evaluation that was stopped at its first step its scores differ: {SEEDED}")


PROXY: Contract[Proxy] = {
    "declares its objectives before any evaluation": _declares_objectives,
    "yields finite objectives once per step": _scores_once_a_step,
    "gives the same scores again at a seed": _repeats_itself,
    "can be pickled and sent to a worker": _travels,
    "can be stopped at any step": _may_be_stopped,
}
