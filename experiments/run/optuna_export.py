"""Export a search's trials to an Optuna study, for Optuna's plots, importances and dashboard."""

import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from json import JSONDecodeError
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.exceptions import ExperimentalWarning, OptunaError
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import create_engine, inspect
from sqlalchemy.exc import SQLAlchemyError

from experiments.errors import UsageError
from nas.search.objectives import objective_vector
from nas.search.store.schema import versions
from nas.search.types import Direction, State, Trial
from search_spaces.choose import Choice, SearchSpace, Trace, TraceError

CONSTRAINTS = "constraints"
"""Optuna's system attribute for constraints; a list, which its dashboard reads as well."""
_STATES = {State.finished: TrialState.COMPLETE, State.stopped: TrialState.PRUNED, State.failed: TrialState.FAIL}
_DIRECTIONS = {"max": StudyDirection.MAXIMIZE, "min": StudyDirection.MINIMIZE}


def export(
    trials: Iterable[Trial],
    objectives: Mapping[str, Direction],
    space: SearchSpace[Any],
    where: str,
    name: str,
    *,
    constraints: Callable[[str], list[float]] = lambda genotype: [],
    watch: Callable[[], None] = lambda: None,
) -> int:
    """Add the ended trials that a study lacks; the study is created if it does not exist.

    Decisions become categorical parameters with all options of the space, and reports of the first objective become
    intermediate values. User attributes hold the rest: `genotype` (JSON), `key`, `trial` (its number in the store),
    `seed`, `seconds`, the other scores by name, and `error` for a failed trial. The store has a trial's duration but
    not its date, so the completion time is that of the export.

    Args:
        where: the URL of a database, or the path of an Optuna journal file.
        name: of the study.
        constraints: genotype as JSON -> excess over each limit; feasible if at most 0, as Optuna defines constraints.
        watch: called after each added trial.

    Returns:
        The number of trials added.

    Raises:
        UsageError: the storage cannot be used, or the study belongs to another search.
        TraceError: a trial's decisions do not match the space.
    """
    with _storage_errors_as_usage_errors(where):
        study = _study(_storage(where), name, objectives)
        missing = _missing(study, trials)
    for trial in missing:
        frozen = _frozen(trial, objectives, space, constraints(trial.genotype))
        with _storage_errors_as_usage_errors(where):
            study.add_trial(frozen)
        watch()
    return len(missing)


def _missing(study: optuna.Study, trials: Iterable[Trial]) -> list[Trial]:
    known = {trial.user_attrs.get("trial"): trial.user_attrs.get("key") for trial in study.get_trials(deepcopy=False)}
    ended = {trial.number: trial for trial in trials if trial.state.ended}
    for number, key in known.items():
        if number not in ended or ended[number].key != key:
            raise UsageError(f"study {study.study_name!r} has trials that are not this run's: give another --study")
    return [trial for number, trial in ended.items() if number not in known]


@contextmanager
def _storage_errors_as_usage_errors(where: str) -> Iterator[None]:
    """Re-raise errors of a storage as UsageError."""
    try:
        yield
    except (OptunaError, SQLAlchemyError, OSError, ImportError, RuntimeError, UnicodeError, JSONDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(
            f"--storage {where}: {reason}: give a database such as sqlite:///optuna.db, or an Optuna journal file"
        ) from error


def _storage(where: str) -> BaseStorage:
    if "://" not in where:
        return _journal(Path(where))
    engine = create_engine(where)
    ours = versions.name in inspect(engine).get_table_names()
    engine.dispose()
    if ours:
        raise UsageError(f"--storage {where}: it holds a store of ours, whose tables clash with Optuna's: give another")
    return RDBStorage(where)


def _journal(file: Path) -> BaseStorage:
    """Open a journal file, after checking that it is one: Optuna would append to any file."""
    if file.is_file():
        with file.open("rb") as there:
            if there.read(1) not in (b"", b"{"):
                raise UsageError(f"--storage {file}: the file exists and is not an Optuna journal: give another file")
    return JournalStorage(JournalFileBackend(str(file)))


def _study(storage: BaseStorage, name: str, objectives: Mapping[str, Direction]) -> optuna.Study:
    directions = [_DIRECTIONS[direction] for direction in objectives.values()]
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it logs each new study to standard error
    try:
        study = optuna.create_study(storage=storage, study_name=name, directions=directions, load_if_exists=True)
    finally:
        optuna.logging.set_verbosity(before)
    if study.metric_names is None and not study.get_trials(deepcopy=False):
        with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):
            study.set_metric_names(list(objectives))
    if study.metric_names != list(objectives) or study.directions != directions:
        raise UsageError(f"study {name!r} has other objectives than {', '.join(objectives)}: give another --study")
    return study


def _frozen(
    trial: Trial, objectives: Mapping[str, Direction], space: SearchSpace[Any], excesses: list[float]
) -> FrozenTrial:
    params, distributions = _parameters(trial.trace, space)
    first = next(iter(objectives))
    scores = trial.scores or {}
    facts = {"genotype": trial.genotype, "key": trial.key, "trial": trial.number, "seed": trial.seed}
    facts |= {name: value for name, value in (("seconds", trial.seconds), ("error", trial.error)) if value is not None}
    frozen = optuna.create_trial(
        state=_STATES[trial.state],
        values=[scores[name] for name in objectives] if objective_vector(trial, objectives) else None,
        params=params,
        distributions=distributions,
        intermediate_values={step: report[first] for step, report in enumerate(trial.reports, 1) if first in report},
        user_attrs={name: value for name, value in scores.items() if name not in objectives} | facts,
        system_attrs={CONSTRAINTS: excesses} if excesses else {},
    )
    assert frozen.datetime_complete is not None
    frozen.datetime_start = frozen.datetime_complete - timedelta(seconds=trial.seconds or 0)
    return frozen


@dataclass
class _Following:
    """A chooser that follows a trace and records the options of each decision."""

    trace: Trace
    options: dict[str, Sequence[Choice]] = field(default_factory=dict)

    def __call__(self, name: str, options: Sequence[Any], /) -> Any:
        if self.trace.get(name) not in options:
            raise TraceError(
                f"the space offers {list(options)[:8]} for decision {name!r}, the trial has {self.trace.get(name)!r}: "
                "export with the space that was searched"
            )
        self.options[name] = options
        return self.trace[name]


def _parameters(trace: Trace, space: SearchSpace[Any]) -> tuple[dict[str, Any], dict[str, BaseDistribution]]:
    following = _Following(trace)
    space.build(following)
    return (
        {name: _native(trace[name]) for name in following.options},
        {name: CategoricalDistribution([_native(o) for o in options]) for name, options in following.options.items()},
    )


def _native(option: Choice) -> str | int | float | bool:
    """An option as a value that Optuna can store: tuples become JSON."""
    return json.dumps(option) if isinstance(option, tuple) else option
