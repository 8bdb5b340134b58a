"""Start or resume a ranking: from its directory to its report."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from experiments.errors import UsageError
from experiments.rank.config import RankConfig
from experiments.rank.report import report
from experiments.run.data import open_for
from experiments.run.directory import MEASURED, RunDirectory
from experiments.run.runner import build_runner, gpus_per_trial
from nas.inspect.words import duration, format_score, one_line
from nas.search.store import Store
from nas.search.types import Proxy, Trial
from proxies.config import ProxyConfig
from proxies.ranking.agreement import FEWEST_CANDIDATES
from proxies.ranking.loop import measured, run_ranking
from proxies.ranking.plan import Measurement, build_proxies
from search_spaces.naming import dotted


def carry_on(
    run: RunDirectory[RankConfig], proxies: Mapping[str, Proxy], require_tau: float | None, console: Console
) -> None:
    """Run the missing measurements under the run's lock, and report, also after an interrupt.

    Args:
        proxies: by setting.
        require_tau: in place of the configured one.

    Raises:
        UsageError: another process holds the run's lock, or a setting has changed since it was measured.
        CannotRun: the runner does not have the resources asked for.
    """
    config = run.config
    with run.lock():
        _announce(run, console)
        store, queue, candidates = run.store(), config.queue(), config.drawn()
        _refuse_changes(run, store)
        ended = sum(trial.state.ended for trial in measured(store, candidates, queue).values())
        try:
            with _view(config, ended, len(queue), console) as watch:
                run_ranking(
                    queue=queue,
                    candidates=candidates,
                    proxies=proxies,
                    runner=build_runner(config, steps=max(proxy.steps for proxy in proxies.values())),
                    store=store,
                    device="cuda" if gpus_per_trial(config) else "cpu",
                    watch=watch,
                )
        except KeyboardInterrupt:
            console.print(f"resume   {config.resume_command} {run.path}", soft_wrap=True)
            raise
        finally:
            report(run, require_tau, console)


def open_proxies(run: RunDirectory[RankConfig], console: Console) -> dict[str, Proxy]:
    """Open and decode the data, once for all measurements.

    Raises:
        SpaceExhausted: the space has too few distinct members.
        DataError: the data cannot be used.
        GenotypeError: a setting's scale does not suit the space.
        ImportPathError: a user's own proxy cannot be built, or does not have the score it is compared by.
    """
    config = run.config
    config.drawn()
    proxies = [setting.proxy for setting in config.plan.all.values()]
    return open_for(run, proxies, partial(build_proxies, config.plan), console)


def _refuse_changes(run: RunDirectory[RankConfig], store: Store) -> None:
    """Refuse a setting or data that changed under the same name: old scores would count for the new setting."""
    config, kept = run.config, run.path / MEASURED
    data = {"data": Path(config.data).name, "digits": config.digits.model_dump(mode="json")}
    proxies = {name: setting.proxy for name, setting in config.plan.all.items()}
    now = {name: data | proxy.model_dump(mode="json") for name, proxy in proxies.items()}
    known: dict[str, dict[str, Any]] = json.loads(kept.read_bytes()) if kept.is_file() else {}
    measured_names = {trial.key.split("/")[1] for trial in store.trials()}
    for name in measured_names.intersection(known, now):
        before, after = dict(dotted(_defaults(proxies[name]))) | dict(dotted(known[name])), dict(dotted(now[name]))
        for field in sorted(before | after):
            if before.get(field) != after.get(field):
                raise UsageError(
                    f"{run.path / config.file}: setting {name!r} was measured with {field} {before.get(field)!r}, not "
                    f"{after.get(field)!r}: give the changed setting another name, or start a new ranking"
                )
    run.write(MEASURED, json.dumps(known | now, indent=1))


def _defaults(proxy: ProxyConfig) -> dict[str, Any]:
    """The default settings of a proxy, for what an earlier version did not record."""
    return type(proxy).model_construct(kind=proxy.kind).model_dump(mode="json")


def _announce(run: RunDirectory[RankConfig], console: Console) -> None:
    config = run.config
    what = f"{config.candidates} candidates of space {config.space!r} on {config.data}"
    console.print(
        Text.assemble(
            (str(run.path), "bold"),
            f": {what}, {len(config.plan.all)} settings, {len(config.queue())} measurements",
        ),
        soft_wrap=True,
    )
    if config.candidates < FEWEST_CANDIDATES:
        few = f"{config.candidates} candidates are too few to choose a proxy: give {FEWEST_CANDIDATES} or more"
        console.print(few, style="yellow")


@contextmanager
def _view(
    config: RankConfig, ended: int, total: int, console: Console
) -> Iterator[Callable[[Measurement, Trial], None]]:
    """Show a progress bar on a terminal, else a line per measurement."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, disable=not console.is_terminal, speed_estimate_period=3600) as bar:
        task = bar.add_task("measuring", total=total, completed=ended)

        def watch(measurement: Measurement, trial: Trial) -> None:
            what = f"candidate {measurement.candidate}, {measurement.setting}, seed {measurement.seed}"
            bar.update(task, description=what, advance=trial.state.ended)
            if trial.state.ended and (trial.error or not console.is_terminal):
                outcome = one_line(trial.error or "") or _outcome(config, measurement, trial)
                done = bar.tasks[task].completed
                console.print(f"{done:.0f}/{total}  {what}: {outcome}", soft_wrap=True)

        yield watch


def _outcome(config: RankConfig, measurement: Measurement, trial: Trial) -> str:
    objective = next(iter(config.plan.all[measurement.setting].proxy.objectives))
    return f"{objective} {format_score((trial.scores or {})[objective])}, {duration(trial.seconds or 0)}"
