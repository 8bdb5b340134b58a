"""The report of a ranking: a JSON document, a Markdown table, and a plot of tau against cost."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from experiments.rank.config import RankConfig
from experiments.rank.plot import plot
from experiments.run.directory import RunDirectory
from proxies.ranking.agreement import FEWEST_CANDIDATES, Estimate, FloatArray
from proxies.ranking.loop import measured
from proxies.ranking.verdict import Offer, Verdict, best_within, cheapest, collect, judge, unfinished

DOCUMENT, TABLE, PLOT = "report.json", "report.md", "tau_against_cost.svg"
WIDTH = 100
_BUDGETS = (1 / 10, 1 / 40)
"""Fractions of the reference's time for which the best proxy is reported."""
_LEGEND = """
s: median time of an evaluation in seconds. cost: that time over the reference's. tau: Kendall's tau-b of one seed and
the mean of the reference's seeds, averaged over the setting's seeds, with the 95 % bootstrap interval over candidates.
better half: tau within the reference's better half. top 5: the share of the reference's five best among the setting's
five best. ICC: the share of a score's variance that is between candidates, not between seeds. ICC k, tau k: the same
for the mean over the setting's seeds. of: number of candidates compared. The reference's own rows compare each seed
with the mean of the other seeds. setting:loss ranks by the mean training loss of the last rung: over the whole training
if it has one rung, over its last half if it has two.
"""


@dataclass(frozen=True)
class Standing:
    """The state of a ranking, complete or in progress.

    Attributes:
        require_tau: Kendall's tau that the cheapest proxy must reach.
        keys: of the candidates.
        done: number of measurements that have ended, of `total`.
    """

    config: RankConfig
    require_tau: float
    keys: Sequence[str]
    verdicts: Sequence[Verdict]
    done: int
    total: int


def report(run: RunDirectory[RankConfig], require_tau: float | None, console: Console) -> None:
    """Write and print the report of the measurements so far; another process may still be measuring.

    Args:
        require_tau: in place of the configured one.
    """
    config = run.config
    candidates, queue = config.drawn(), config.queue()
    trials = measured(run.store(), candidates, queue)
    standing = Standing(
        config,
        config.require_tau if require_tau is None else require_tau,
        [candidate.value.key() for candidate in candidates],
        judge(collect(config.plan, queue, candidates, trials), seed=config.seed),
        sum(trial.state.ended for trial in trials.values()),
        len(queue),
    )
    run.write(DOCUMENT, json.dumps(document(standing), indent=1, allow_nan=False))
    run.write(TABLE, markdown(standing))
    run.write(PLOT, plot(standing.verdicts, standing.require_tau))
    console.width = max(console.width, WIDTH)  # wrapped lines are better than truncated numbers
    console.print(_table(standing.verdicts))
    for line in _findings(standing):
        console.print(line, soft_wrap=True)
    for name in (TABLE, DOCUMENT, PLOT):
        console.print(f"report   {run.path / name}", soft_wrap=True)


def document(standing: Standing) -> dict[str, Any]:
    """The report in JSON types, with every score and time; null means not measured or undefined."""
    tau = standing.require_tau
    return {
        "config": standing.config.model_dump(mode="json"),
        "measurements": {"done": standing.done, "planned": standing.total},
        "candidates": list(standing.keys),
        "settings": [_entry(verdict) for verdict in standing.verdicts],
        "required_tau": tau,
        "cheapest": _offer(cheapest(standing.verdicts, tau)),
        "cheapest_with_95_percent_confidence": _offer(cheapest(standing.verdicts, tau, sure=True)),
        "best_within": {str(cost): _offer(best_within(standing.verdicts, cost)) for cost in _BUDGETS},
        "notes": list(_findings(standing)),
    }


def _entry(verdict: Verdict) -> dict[str, Any]:
    measured = verdict.measured
    return {
        "name": measured.name,
        "seconds_per_candidate": verdict.seconds,
        "cost": verdict.cost,
        "one_seed": asdict(verdict.one_seed),
        "all_seeds": verdict.all_seeds and asdict(verdict.all_seeds),
        "icc": verdict.icc,
        "icc_of_mean": verdict.icc_mean,
        "seeds": list(measured.seeds),
        "scores": _rows(measured.scores),
        "seconds": _rows(measured.seconds),
        "errors": {str(candidate): error for candidate, error in measured.errors.items()},
    }


def _rows(values: FloatArray) -> list[list[float | None]]:
    return [[None if v != v else v for v in row] for row in values.tolist()]


def _offer(offer: Offer | None) -> dict[str, Any] | None:
    if offer is None:
        return None
    return {"setting": offer.setting, "seeds": offer.seeds, "cost": offer.cost, **asdict(offer.agreement.tau)}


def markdown(standing: Standing) -> str:
    """The report as Markdown: the table and its findings."""
    config = standing.config
    varied = f", varying only {', '.join(config.vary)}" if config.vary else ""
    rows = [_cells(verdict) for verdict in standing.verdicts]
    lines = [
        f"# How far proxies can be trusted: space {config.space}{varied}, data {Path(config.data).name}",
        "",
        f"{config.candidates} candidates, seed {config.seed}; {standing.done} of {standing.total} measurements.",
        "",
        "| " + " | ".join(rows[0]) + " |",
        "|---|" + "---:|" * (len(rows[0]) - 1),
        *("| " + " | ".join(row.values()) + " |" for row in rows),
        "",
        *(f"- {line}" for line in _findings(standing)),
        _LEGEND,
    ]
    return "\n".join(lines).strip()


def _table(verdicts: Sequence[Verdict]) -> Table:
    """The table for a terminal, with the columns that fit."""
    rows = [_cells(verdict) for verdict in verdicts]
    table = Table(box=None, pad_edge=False)
    shown = [name for name in rows[0] if name not in _ONLY_IN_FILES]
    for name in shown:
        table.add_column(Text(name), justify="left" if name == "setting" else "right", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(row[name]) for name in shown))
    return table


_ONLY_IN_FILES = ("better half", "ICC k", "tau k")


def _cells(verdict: Verdict) -> dict[str, str]:
    one, several = verdict.one_seed, verdict.all_seeds
    return {
        "setting": verdict.measured.name,
        "s": number(verdict.seconds, 1),
        "cost": number(verdict.cost, 3),
        "tau [95 %]": format_estimate(one.tau),
        "better half": format_estimate(one.tau_better_half),
        "Spearman": number(one.spearman.value),
        "top 5": number(one.top5_recall),
        "ICC": number(verdict.icc),
        "ICC k": number(verdict.icc_mean),
        "tau k": format_estimate(several.tau) if several else "-",
        "of": str(one.candidates),
    }


def format_estimate(estimate: Estimate) -> str:
    bounds = estimate.interval
    return number(estimate.value) + (f" [{bounds[0]:.2f}, {bounds[1]:.2f}]" if bounds else "")


def number(value: float | None, digits: int = 2) -> str:
    """A number in a table; a dash if undefined."""
    return "-" if value is None else f"{value:.{digits}f}"


def _findings(standing: Standing) -> Iterator[str]:
    """The conclusions from the numbers, and their caveats."""
    verdicts = standing.verdicts
    for sure, what in ((False, "tau"), (True, "the lower end of tau's interval")):
        offer = cheapest(verdicts, standing.require_tau, sure=sure)
        yield f"cheapest with {what} at {standing.require_tau:g} or above: {format_offer(offer) if offer else 'none'}"
    for cost in _BUDGETS:
        offer = best_within(verdicts, cost)
        yield f"best at up to 1/{1 / cost:g} of the reference's time: {format_offer(offer) if offer else 'none'}"
    compared = max(verdict.one_seed.candidates for verdict in verdicts)
    if compared < FEWEST_CANDIDATES:
        yield f"{compared} candidates are too few to choose a proxy: give {FEWEST_CANDIDATES} or more"
    settings = sum(not verdict.measured.own for verdict in verdicts)
    yield f"the best of {settings} settings on the same candidates is overestimated: check it with another --seed"
    if few := [verdict.measured.name for verdict in unfinished(verdicts) if not verdict.measured.own]:
        yield f"too few scored candidates to be recommended: {', '.join(few)}"
    if len(verdicts[0].measured.seeds) == 1:
        yield "the reference has one seed: its own rows and its ICC need two or more"
    for setting in (verdict.measured for verdict in verdicts if verdict.measured.name in standing.config.plan.all):
        if errors := setting.errors:
            example = next(iter(errors))
            failed = f"{len(errors)} of {len(standing.keys)} candidates failed and are left out"
            yield f"{setting.name}: {failed}, such as {example}: {errors[example]}"


def format_offer(offer: Offer) -> str:
    seeds, tau = "one seed" if offer.seeds == 1 else f"{offer.seeds} seeds", format_estimate(offer.agreement.tau)
    return f"{offer.setting} at {seeds}, tau {tau}, {offer.cost:.1%} of the reference's time"
