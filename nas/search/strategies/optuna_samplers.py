"""Optuna's samplers over a space's decisions: the tree-structured Parzen estimator and NSGA-II.

A decision is a categorical parameter of its name, over the numbers of its options; conditional decisions are asked for
as the space is built (define-by-run). Studies lie in memory and are brought up to date from what was told, and every
proposal has a sampler of its own seed: so there is no state that a replay of the tells would not give back.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypedDict, TypeVar

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, NSGAIISampler, TPESampler
from optuna.study import Study
from optuna.trial import TrialState, create_trial

from nas.search.ranking import merit
from nas.search.strategies.turns import Turns, candidate, numbered
from nas.search.types import Candidate, Direction, Storable, Trial
from search_spaces.choose import Choice, SearchSpace, Trace, record

T = TypeVar("T", bound=Choice)
Told = tuple[tuple[float, ...], Trace]
"""Objectives, more being better, and the decisions that led to them."""


class Parameters(TypedDict):
    """Decisions as Optuna has them."""

    params: dict[str, int]
    distributions: dict[str, BaseDistribution]


BEST = 25
"""How many trials Optuna's TPE holds for good ones, at most (`default_gamma`)."""
LATEST = 100
"""TPE looks at the latest so many other trials at least, and at less than twice as many."""
POPULATION = 50
"""NSGA-II's, Optuna's default."""


class Tpe:
    """Take decisions that the good trials have and others have not (Bergstra et al. 2011; Optuna's `TPESampler`).

    The first objective decides. Trials stopped early count with their last scores; failed and running ones are not
    looked at. Nor are all others: good are the best `BEST` at most, whenever they were told, and what is not good is
    told from the latest trials, so that a proposal takes as long after 10,000 trials as after a few hundred.
    """

    def __init__(
        self, space: SearchSpace[Storable], objectives: Mapping[str, Direction], *, seed: int, asked: int = 0
    ) -> None:
        self._space = space
        self._objectives = objectives
        self._turns = Turns(seed, asked)
        self._told: list[Told] = []
        self._study = _study(objectives=1)
        self._forgotten = 0
        """How many of the first trials told the study knows only if they are good."""
        self._known = 0

    def ask(self) -> Candidate:
        seed = self._turns.next().getrandbits(32)
        self._catch_up()
        return _propose(self._space, self._study, TPESampler(seed=seed, multivariate=True, constant_liar=False))

    def tell(self, trial: Trial) -> None:
        if (values := merit(trial, self._objectives)) is not None:
            self._told.append((values[:1], trial.trace))

    def _catch_up(self) -> None:
        forgotten = max(0, len(self._told) // LATEST - 1) * LATEST
        if forgotten != self._forgotten:
            self._study, self._forgotten, self._known = _study(objectives=1), forgotten, forgotten
            old = self._told[:forgotten]
            self._add(sorted(old, key=lambda told: told[0], reverse=True)[:BEST])
        self._add(self._told[self._known :])
        self._known = len(self._told)

    def _add(self, told: Iterable[Told]) -> None:
        for values, trace in told:
            self._study.add_trial(create_trial(values=values, **_parameters(self._space, trace)))


class Nsga2:
    """Cross and mutate members of the best fronts (Deb et al. 2002; Optuna's `NSGAIISampler`), for all objectives.

    Trials stopped early count with their last scores; failed ones take no part. A trial belongs to the generation that
    is open when it is told of.
    """

    def __init__(
        self, space: SearchSpace[Storable], objectives: Mapping[str, Direction], *, seed: int, asked: int = 0
    ) -> None:
        self._space = space
        self._objectives = objectives
        self._turns = Turns(seed, asked)
        self._waiting: list[Told] = []
        self._study = _study(len(objectives))

    def ask(self) -> Candidate:
        sampler = NSGAIISampler(population_size=POPULATION, seed=self._turns.next().getrandbits(32))
        for told in self._waiting:
            self._join(told, sampler)
        self._waiting.clear()
        return _propose(self._space, self._study, sampler)

    def tell(self, trial: Trial) -> None:
        if (values := merit(trial, self._objectives)) is not None:
            self._waiting.append((values, trial.trace))

    def _join(self, told: Told, sampler: NSGAIISampler) -> None:
        values, trace = told
        trial = _parameters(self._space, trace)
        if self._enter(values, trial, sampler) < 2:
            return
        # a third generation begins: a study of its parents alone makes the same of them, and never grows long
        parents = sampler.get_parent_population(self._study, 2)
        self._study = _study(len(self._objectives))
        for parent in parents:
            self._enter(parent.values, {"params": parent.params, "distributions": parent.distributions}, sampler)
        self._enter(values, trial, sampler)

    def _enter(self, values: Sequence[float], trial: Parameters, sampler: NSGAIISampler) -> int:
        """Add a trial to the study; its generation there."""
        # only of a trial that runs can it be said what generation it is of
        self._study.add_trial(create_trial(state=TrialState.RUNNING, **trial))
        entered = self._study.get_trials(deepcopy=False)[-1]
        generation = sampler.get_trial_generation(self._study, entered)
        self._study.tell(entered.number, values)
        return generation


def _parameters(space: SearchSpace[Storable], trace: Trace) -> Parameters:
    numbers = numbered(space, trace)
    return {
        "params": {name: number for name, (number, _) in numbers.items()},
        "distributions": {name: CategoricalDistribution(range(count)) for name, (_, count) in numbers.items()},
    }


def _study(objectives: int) -> Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it would tell of every study and trial
    return optuna.create_study(directions=["maximize"] * objectives)


def _propose(space: SearchSpace[Storable], study: Study, sampler: BaseSampler) -> Candidate:
    study.sampler = sampler
    trial = study.ask()

    def choose(name: str, options: Sequence[T], /) -> T:
        return options[trial.suggest_categorical(name, range(len(options)))]

    proposal = candidate(record(space, choose))
    study.tell(trial, state=TrialState.FAIL)  # what comes of it is added when it is told
    return proposal
