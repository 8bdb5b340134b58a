"""The fidelity and the cost of each measured setting, and the cheapest one that reaches a required tau."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nas.search.types import State, Trial
from proxies.ranking.agreement import (
    COMPLETE,
    FEWEST_CANDIDATES,
    Agreement,
    FloatArray,
    agreement,
    intraclass,
    intraclass_of_mean,
)
from proxies.ranking.plan import REFERENCE, SECONDS, Candidates, Measurement, Plan, row_key


@dataclass(frozen=True)
class Measured:
    """The measurements of a setting: N candidates at K seeds, NaN where missing.

    Attributes:
        name: of the setting; `reference@25%` is the reference after a quarter of its steps, `steps-64:loss` the setting
            `steps-64` compared by its loss instead of its first objective.
        score: name of the score that is compared.
        seeds: the K seeds.
        scores: (N, K), signed so that higher is better.
        seconds: (N, K), the time of each evaluation.
        errors: error messages of failed evaluations, by candidate.
        own: whether the scores come from the reference's own trainings.
    """

    name: str
    score: str
    seeds: tuple[int, ...]
    scores: FloatArray
    seconds: FloatArray
    errors: Mapping[int, str]
    own: bool = False


def collect(
    plan: Plan, queue: Sequence[Measurement], candidates: Candidates, trials: Mapping[str, Trial]
) -> list[Measured]:
    """Group trials, given by key, by setting: the reference, its earlier rungs, then the proxies and their signals."""
    found = []
    for name, setting in plan.all.items():
        seeds = tuple(dict.fromkeys(m.seed for m in queue if m.setting == name))
        rows = [[Measurement(candidate, name, seed) for seed in seeds] for candidate in range(len(candidates))]
        table = [[trials.get(row_key(candidates, measurement)) for measurement in row] for row in rows]
        signals = list(setting.proxy.signals.items())
        own, rungs = name == REFERENCE, plan.reference.proxy.rungs
        columns = [(name, -1, *signals[0])]
        if own:
            columns += [(f"{name}@{(rung + 1) / rungs:.0%}", rung, *signals[0]) for rung in range(rungs - 1)]
        else:
            columns += [(f"{name}:{score}", -1, score, direction) for score, direction in signals[1:]]
        for title, rung, score, direction in columns:
            scores, seconds = (1 if direction == "max" else -1) * _at(table, rung, score), _at(table, rung, SECONDS)
            found.append(Measured(title, score, seeds, scores, seconds, _errors(table), own))
    return found


def _at(table: Sequence[Sequence[Trial | None]], report: int, score: str) -> FloatArray:
    def value(trial: Trial | None) -> float:
        return trial.reports[report][score] if trial and trial.state is State.finished else np.nan

    return np.array([[value(trial) for trial in row] for row in table], np.float64)


def _errors(table: Sequence[Sequence[Trial | None]]) -> dict[int, str]:
    return {i: t.error or "" for i, row in enumerate(table) for t in row if t and t.state is State.failed}


@dataclass(frozen=True)
class Verdict:
    """The fidelity and the cost of a setting.

    Attributes:
        measured: the underlying measurements.
        one_seed: agreement of a single seed with the reference, which is what a search gets.
        all_seeds: agreement of the mean over all seeds; None for the reference's own rows and for a single seed.
        icc: the share of a single score's variance that is between candidates, ICC(1,1).
        icc_mean: the same for the mean over all seeds, ICC(1,k).
        seconds: median time of an evaluation.
        cost: that time as a fraction of the reference's.
    """

    measured: Measured
    one_seed: Agreement
    all_seeds: Agreement | None
    icc: float | None
    icc_mean: float | None
    seconds: float | None
    cost: float | None


def judge(found: Sequence[Measured], *, seed: int) -> list[Verdict]:
    """Compare every setting with the first one, the reference. Candidates that failed in either are left out.

    Args:
        seed: of the bootstrap.
    """
    reference = found[0]
    return [_judge(measured, reference, seed) for measured in found]


def _judge(measured: Measured, reference: Measured, seed: int) -> Verdict:
    failed = [*measured.errors, *reference.errors]
    scores, truth = measured.scores.copy(), reference.scores.copy()
    scores[failed] = truth[failed] = np.nan
    means = np.where(np.isfinite(scores).all(1), scores.mean(1), np.nan)[:, None]
    several = len(measured.seeds) > 1
    icc, seconds, base = intraclass(scores), _median(measured.seconds), _median(reference.seconds)
    return Verdict(
        measured,
        agreement(scores, truth, own=measured.own, seed=seed),
        agreement(means, truth, seed=seed) if several and not measured.own else None,
        icc,
        intraclass_of_mean(icc, len(measured.seeds)) if several and icc is not None else None,
        seconds,
        seconds / base if seconds is not None and base else None,
    )


def _median(values: FloatArray) -> float | None:
    there = values[np.isfinite(values)]
    return float(np.median(there)) if len(there) else None


@dataclass(frozen=True)
class Offer:
    """A proxy to choose: a setting, at one seed or averaged over all the seeds it was measured at.

    `cost` is the time of all its seeds as a fraction of one evaluation of the reference.
    """

    setting: str
    seeds: int
    agreement: Agreement
    cost: float


def cheapest(verdicts: Sequence[Verdict], tau: float, *, sure: bool = False) -> Offer | None:
    """The cheapest offer whose tau reaches `tau`.

    None if there is none, or if too few candidates were compared to decide.

    Args:
        sure: require it of the lower end of the confidence interval.
    """
    fit = [offer for offer in _offers(verdicts) if (reached := _tau(offer, sure)) is not None and reached >= tau]
    return min(fit, key=lambda offer: offer.cost, default=None)


def best_within(verdicts: Sequence[Verdict], cost: float) -> Offer | None:
    """The offer of the highest tau that costs at most this fraction of the reference.

    None if none is better than chance, or if too few candidates were compared to decide.
    """
    fit = [offer for offer in _offers(verdicts) if offer.cost <= cost and (_tau(offer) or 0.0) > 0]
    return max(fit, key=lambda offer: _tau(offer) or 0.0, default=None)


def pareto_optimal(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """The Pareto front of cost and tau at one seed, cheapest first, without the reference itself."""
    enough = _enough(verdicts)
    proxies = [v for v in verdicts if v.measured.name != REFERENCE and v.one_seed.candidates >= enough]
    known = ((v.cost, v.one_seed.tau.value, v) for v in proxies)
    by_cost = sorted(((c, -tau, v) for c, tau, v in known if c is not None and tau is not None), key=lambda t: t[:2])
    return [v for i, (_, tau, v) in enumerate(by_cost) if all(tau < other for _, other, _ in by_cost[:i])]


def unfinished(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """The settings with too few scored candidates to be compared with the others."""
    enough = _enough(verdicts)
    return [v for v in verdicts if v.one_seed.candidates < enough]


def _enough(verdicts: Sequence[Verdict]) -> float:
    """The number of candidates that a setting needs to be compared."""
    return COMPLETE * max((v.one_seed.candidates for v in verdicts), default=0)


def _offers(verdicts: Sequence[Verdict]) -> Iterator[Offer]:
    enough = _enough(verdicts)
    if enough < COMPLETE * FEWEST_CANDIDATES:
        return
    for verdict in verdicts:
        name, seeds = verdict.measured.name, len(verdict.measured.seeds)
        if verdict.cost is None or name == REFERENCE:
            continue
        for count, found in ((1, verdict.one_seed), (seeds, verdict.all_seeds)):
            if found and found.candidates >= enough:
                yield Offer(name, count, found, verdict.cost * count)


def _tau(offer: Offer, sure: bool = False) -> float | None:
    estimate = offer.agreement.tau
    if sure:
        return estimate.interval[0] if estimate.interval else None
    return estimate.value
