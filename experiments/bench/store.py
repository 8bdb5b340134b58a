"""Time to write and to reopen trials, compared with Optuna's storages: `python -m experiments.bench.store`.

A trial of the joint space is written as a search does: create, three reports, end. Optuna writes the decisions one by
one, as its samplers do. Then a store of many trials is reopened and replayed to a strategy.
"""

import itertools
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from sqlalchemy import create_engine, update

from experiments.bench.interleaved import interleaved
from experiments.commands.arguments import run
from nas.search.store import Store, schema
from nas.search.store.rows import reports_text, trace_text
from nas.search.strategies import Task, strategy_config
from nas.search.types import State
from search_spaces.choose import Sampled, sample
from search_spaces.genotype import Genotype
from search_spaces.joint import JointSpace

REPORTS = tuple({"ap": ap, "gmacs": 0.05, "ap50": 2 * ap, "loss": 1 - ap} for ap in (0.1, 0.2, 0.3))
OBJECTIVE = "ap"


def ours(store: Store, member: Sampled[Genotype]) -> Callable[[], None]:
    """A function that writes a trial to our store."""
    genotype, keys = member.value.to_json(), itertools.count()

    def write() -> None:
        number = store.create(key=str(next(keys)), trace=member.trace, genotype=genotype, seed=0).number
        for scores in REPORTS:
            store.report(number, scores)
        store.end(number, State.finished, seconds=1.0)

    return write


def optunas(storage: BaseStorage, member: Sampled[Genotype]) -> Callable[[], None]:
    """A function that writes a trial to Optuna's storage."""
    study = storage.create_new_study([optuna.study.StudyDirection.MAXIMIZE], "bench")
    # as strings, since Optuna does not store tuples
    decisions = {name: CategoricalDistribution([str(choice), "another"]) for name, choice in member.trace.items()}

    def write() -> None:
        trial = storage.create_new_trial(study)
        for name, distribution in decisions.items():
            storage.set_trial_param(trial, name, 0.0, distribution)
        for step, scores in enumerate(REPORTS):
            storage.set_trial_intermediate_value(trial, step, scores[OBJECTIVE])
        storage.set_trial_state_values(trial, optuna.trial.TrialState.COMPLETE, [REPORTS[-1][OBJECTIVE]])

    return write


def many(url: str, member: Sampled[Genotype], trials: int) -> str:
    """Fill a new study with ended trials; returns its name."""
    study = f"many {trials}"
    Store(url, study).close()
    row = {"study": study, "state": "finished", "seed": 0, "genotype": member.value.to_json(), "seconds": 1.0}
    row |= {"trace": trace_text(member.trace), "reports": reports_text(REPORTS)}
    with create_engine(url).begin() as connection:
        rows = [row | {"number": number, "key": f"{number:064}", "told": number} for number in range(trials)]
        connection.execute(schema.trials.insert(), rows)
        mine = schema.studies.c.name == study
        connection.execute(update(schema.studies).where(mine).values(trials=trials, told=trials))
    return study


def reopening(url: str, study: str, strategy: str) -> float:
    """Seconds to open a study, read its history and replay it to a strategy."""
    start = time.perf_counter()
    store = Store(url, study)
    resumed = strategy_config(strategy).build(Task(JointSpace(), {OBJECTIVE: "max"}, seed=0, asked=store.asked))
    for trial in store.history():
        resumed.tell(trial)
    return time.perf_counter() - start


def main(*, rounds: int = 15, stored: int = 10_000) -> None:
    """Print the ratios to Optuna's storages, and the times to reopen a store.

    Args:
        rounds: trials written to each storage.
        stored: trials to reopen.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    member = sample(JointSpace(), random.Random(0))
    print(f"a trial of {len(member.trace)} decisions and {len(REPORTS)} reports")
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder, 'study.db')}"
        others: dict[str, BaseStorage] = {
            "RDBStorage (SQLite)": RDBStorage(f"sqlite:///{Path(folder, 'optuna.db')}"),
            "JournalStorage (file)": JournalStorage(JournalFileBackend(str(Path(folder, "journal")))),
        }
        for name, storage in others.items():
            store = Store(url, name)
            ratio = interleaved(ours(store, member), optunas(storage, member), rounds)
            print(f"ours against Optuna's {name}: {ratio}")
        study = many(url, member, stored)
        for strategy in ("random", "evolution", "guided"):
            seconds = reopening(url, study, strategy)
            print(f"{stored} trials reopened and replayed to {strategy}: {seconds:.2f} s")


if __name__ == "__main__":
    run(main, __doc__)
