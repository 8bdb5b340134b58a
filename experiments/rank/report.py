"""What a ranking has come to: a document for programs, a table for people, a plot of tau against cost."""

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
"""Fractions of the reference's time for which the best to be had is told."""
_LEGEND = """
s: seconds an evaluation takes, the median. cost: these seconds over the reference's. tau: Kendall's tau-b of one seed
against the mean of the reference's seeds, the mean over the setting's seeds; in brackets the bootstrap interval over
candidates; better half: tau among the reference's better half. top 5: the share of the reference's five best among the
setting's five best. ICC: the share of a score's variance that is between candidates, not between seeds. ICC k, tau k:
of the mean over the setting's seeds. of: candidates compared. The reference's own rows leave the seed that is
compared out of the mean it is compared with. setting:loss ranks by the mean training loss since the last scoring but
one: of the whole training where there is one scoring, of its last half where there are two.
"""


@dataclass(frozen=True)
class Standing:
    """A ranking as far as it has come.

    Attributes:
        require_tau: what the cheapest proxy must reach.
        keys: of the candidates.
        done: measurements that have ended, of `total`.
    """

    config: RankConfig
    require_tau: float
    keys: Sequence[str]
    verdicts: Sequence[Verdict]
    done: int
    total: int


def report(run: RunDirectory[RankConfig], require_tau: float | None, console: Console) -> None:
    """Write the report of what there is so far, also while another process goes on, and print it.

    Args:
        require_tau: other than the ranking was started with.
    """
    config = run.config()
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
    console.width = max(console.width, WIDTH)  # a narrow terminal wraps lines better than a table cuts numbers
    console.print(_table(standing.verdicts))
    for line in _findings(standing):
        console.print(line, soft_wrap=True)
    for name in (TABLE, DOCUMENT, PLOT):
        console.print(f"report   {run.path / name}", soft_wrap=True)


def document(standing: Standing) -> dict[str, Any]:
    """The report as JSON's own types, with every score and time; null is what was not measured or is not defined."""
    tau = standing.require_tau
    return {
        "config": standing.config.model_dump(mode="json"),
        "measurements": {"done": standing.done, "planned": standing.total},
        "candidates": list(standing.keys),
        "settings": [_entry(verdict) for verdict in standing.verdicts],
        "required_tau": tau,
        "cheapest": _offered(cheapest(standing.verdicts, tau)),
        "cheapest_with_95_percent_confidence": _offered(cheapest(standing.verdicts, tau, sure=True)),
        "best_within": {str(cost): _offered(best_within(standing.verdicts, cost)) for cost in _BUDGETS},
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


def _offered(offer: Offer | None) -> dict[str, Any] | None:
    if offer is None:
        return None
    return {"setting": offer.setting, "seeds": offer.seeds, "cost": offer.cost, **asdict(offer.agreement.tau)}


def markdown(standing: Standing) -> str:
    """The table and what it comes to."""
    config = standing.config
    held = f", of which only {', '.join(config.vary)} differ" if config.vary else ""
    rows = [_cells(verdict) for verdict in standing.verdicts]
    lines = [
        f"# How far proxies can be trusted: space {config.space}{held}, data {Path(config.data).name}",
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
    """The columns that fit onto a terminal."""
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
        "tau [95 %]": told(one.tau),
        "better half": told(one.tau_better_half),
        "Spearman": number(one.spearman.value),
        "top 5": number(one.top5_recall),
        "ICC": number(verdict.icc),
        "ICC k": number(verdict.icc_mean),
        "tau k": told(several.tau) if several else "-",
        "of": str(one.candidates),
    }


def told(estimate: Estimate) -> str:
    bounds = estimate.interval
    return number(estimate.value) + (f" [{bounds[0]:.2f}, {bounds[1]:.2f}]" if bounds else "")


def number(value: float | None, digits: int = 2) -> str:
    """A number as a table has it, a dash for what is not defined."""
    return "-" if value is None else f"{value:.{digits}f}"


def _findings(standing: Standing) -> Iterator[str]:
    """What the numbers come to, and what to mind about them."""
    verdicts = standing.verdicts
    for sure, what in ((False, "tau"), (True, "the lower end of tau's interval")):
        offer = cheapest(verdicts, standing.require_tau, sure=sure)
        yield f"cheapest with {what} at {standing.require_tau:g} or above: {_told(offer) if offer else 'none'}"
    for cost in _BUDGETS:
        offer = best_within(verdicts, cost)
        yield f"best at up to 1/{1 / cost:g} of the reference's time: {_told(offer) if offer else 'none'}"
    compared = max(verdict.one_seed.candidates for verdict in verdicts)
    if compared < FEWEST_CANDIDATES:
        yield f"{compared} candidates are too few to choose a proxy by: {FEWEST_CANDIDATES} at least"
    ways = sum(not verdict.measured.own for verdict in verdicts)
    yield f"{ways} ways compared on the same candidates flatter the best of them: another --seed draws others"
    if few := [verdict.measured.name for verdict in unfinished(verdicts) if not verdict.measured.own]:
        yield f"scored too few candidates to be offered: {', '.join(few)}"
    if len(verdicts[0].measured.seeds) == 1:
        yield "the reference has one seed: what its own rows and its ICC tell needs two"
    for setting in (verdict.measured for verdict in verdicts if verdict.measured.name in standing.config.plan.all):
        if errors := setting.errors:
            example = next(iter(errors))
            told = f"{len(errors)} of {len(standing.keys)} candidates failed and are left out"
            yield f"{setting.name}: {told}, such as {example}: {errors[example]}"


def _told(offer: Offer) -> str:
    seeds = "one seed" if offer.seeds == 1 else f"{offer.seeds} seeds"
    return f"{offer.setting} at {seeds}, tau {told(offer.agreement.tau)}, {offer.cost:.1%} of the reference's time"
