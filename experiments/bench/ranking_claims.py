"""Further statistics of a ranking: `python -m experiments.bench.ranking_claims REPORT [SETTING OTHER ...]`.

The share of variance between candidates (ICC) on either side of the largest gap in the reference; the agreement of each
seed of a setting, and of several averaged; the tau of the best setting within a budget on candidates held out from its
choice; and the difference in tau between pairs of settings, with its bootstrap interval over candidates.
"""

import itertools
import json
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tyro.conf import Positional

from experiments.commands.arguments import run
from experiments.rank.report import number
from proxies.ranking.agreement import FloatArray, agreement, intraclass, intraclass_of_mean, kendall_tau
from proxies.ranking.plan import REFERENCE

SPLITS = 500
RESAMPLES = 2000
Pair = tuple[str, str]
"""Names of two settings."""


@dataclass(frozen=True)
class Setting:
    """A setting: (N, K) scores, and the cost of an evaluation as a fraction of the reference's."""

    name: str
    scores: FloatArray
    cost: float


def read(path: Path) -> list[Setting]:
    """The complete settings of a report, the reference first, for the candidates that the reference scored."""
    settings = json.loads(path.read_text())["settings"]
    tables = [np.array(setting["scores"], np.float64) for setting in settings]
    there = np.isfinite(tables[0]).all(1)
    return [
        Setting(setting["name"], table[there], setting["cost"])
        for setting, table in zip(settings, tables, strict=True)
        if np.isfinite(table[there]).all()
    ]


def groups(reference: FloatArray) -> Iterator[str]:
    means = reference.mean(1)
    order = np.argsort(-means)
    gap = int(np.argmax(-np.diff(means[order]))) + 1
    for title, members in (("above", order[:gap]), ("below", order[gap:])):
        rows = reference[members]
        between = [kendall_tau(rows[:, i], rows[:, j]) for i, j in itertools.combinations(range(rows.shape[1]), 2)]
        taus = ", ".join(f"{tau:.2f}" for tau in between) or "- (one seed)"
        yield (
            f"{title} the largest gap: {len(members)} candidates, {means[members].min():.3f} to "
            f"{means[members].max():.3f}, ICC {number(intraclass(rows))}, tau between seeds {taus}"
        )


def by_seed(setting: Setting, reference: FloatArray) -> str:
    found = [agreement(column[:, None], reference) for column in setting.scores.T]
    each = (
        f"{number(a.tau.value, 3)} (better half {number(a.tau_better_half.value)}, top 5 {number(a.top5_recall)})"
        for a in found
    )
    return f"{setting.name}, {setting.cost:.1%}: {'; '.join(each)}"


def averaged(setting: Setting, reference: FloatArray) -> Iterator[str]:
    """The agreement of the mean over several seeds of a setting, averaged over all choices of that many seeds."""
    seeds, single = setting.scores.shape[1], intraclass(setting.scores)
    for count in range(2, seeds + 1):
        taken = [setting.scores[:, list(some)] for some in itertools.combinations(range(seeds), count)]
        found = [agreement(some.mean(1, keepdims=True), reference) for some in taken]
        values = [(a.tau.value, a.tau_better_half.value, a.top5_recall) for a in found]
        tau, half, top = np.array(values, np.float64).mean(0)  # NaN if undefined
        icc = None if single is None else intraclass_of_mean(single, count)
        yield (
            f"{setting.name}, {count} of {seeds} seeds averaged, {setting.cost * count:.1%}: tau {tau:.3f}, "
            f"better half {half:.2f}, top 5 {top:.2f}, ICC {number(icc)}"
        )


def held_out(settings: Sequence[Setting], reference: FloatArray, cost: float) -> str:
    """Choose the best setting on one half of the candidates, test it on the other, over random halves."""
    rng = np.random.default_rng(0)
    means = reference.mean(1)
    fit = [setting for setting in settings if setting.cost <= cost]
    if not fit:
        return f"no setting within {cost:.1%}"
    chosen, kept = [], []
    for _ in range(SPLITS):
        order = rng.permutation(len(means))
        halves = order[: len(order) // 2], order[len(order) // 2 :]
        taus = [[float(kendall_tau(setting.scores[half, 0], means[half])) for setting in fit] for half in halves]
        best = int(np.nanargmax(taus[0]))
        chosen.append(taus[0][best])
        kept.append(taus[1][best])
    spread = np.percentile(kept, (25, 75))
    return (
        f"the best of {len(fit)} settings within {cost:.1%}, chosen on a random half of the candidates: tau "
        f"{statistics.fmean(chosen):.2f} there, {statistics.fmean(kept):.2f} on the other half "
        f"(half of {SPLITS} splits {spread[0]:.2f} .. {spread[1]:.2f})"
    )


def paired(one: Setting, other: Setting, reference: FloatArray) -> str:
    rng = np.random.default_rng(0)
    means = reference.mean(1)
    counts = rng.multinomial(len(means), np.full(len(means), 1 / len(means)), RESAMPLES).astype(np.float64)
    taus = [kendall_tau(setting.scores[:, 0], means) for setting in (one, other)]
    sampled = [kendall_tau(setting.scores[:, 0], means, counts) for setting in (one, other)]
    low, high = np.nanpercentile(sampled[0] - sampled[1], (2.5, 97.5))
    return f"{one.name} minus {other.name}: {taus[0] - taus[1]:+.2f} [{low:+.2f}, {high:+.2f}]"


def main(report: Positional[Path], pairs: Positional[tuple[Pair, ...]] = ()) -> None:
    """Print the statistics of a report.

    Args:
        report: report.json of nas rank.
        pairs: pairs of settings to compare, an even number of names.
    """
    reference, *settings = read(report)
    settings = [setting for setting in settings if not setting.name.startswith(f"{REFERENCE}@")]
    for line in groups(reference.scores):
        print(line)
    for setting in settings:
        if setting.scores.shape[1] > 1:
            print(by_seed(setting, reference.scores))
            print(*averaged(setting, reference.scores), sep="\n")
    for cost in (1 / 10, 1 / 40):
        print(held_out(settings, reference.scores, cost))
    named = {setting.name: setting for setting in settings}
    for one, other in pairs:
        print(paired(named[one], named[other], reference.scores))


if __name__ == "__main__":
    run(main, __doc__)
