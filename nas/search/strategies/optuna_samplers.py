"""Optuna's samplers over a space's decisions: the tree-structured Parzen estimator and NSGA-II.

A decision is a categorical parameter of its name, over the numbers of its options; conditional decisions are asked for
as the space is built (define-by-run). Studies lie in memory and are brought up to date from what was told, and every
proposal has a sampler of its own seed: so there is no state that a replay of the tells would not give back.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TypedDict, TypeVar

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, NSGAIISampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState, create_trial

from nas.search.ranking import merit
from nas.search.strategies.turns import Turns, candidate, numbered
from nas.search.types import Candidate, Direction, Storable, Trial
from search_spaces.choose import Choice, SearchSpace, Trace, record

T = TypeVar("T", bound=Choice)
Distributions = dict[str, BaseDistribution]
Told = tuple[tuple[float, ...], Trace]
"""Objectives, more being better, and the decisions that led to them."""


class Parameters(TypedDict):
    """Decisions as Optuna has them."""

    params: dict[str, int]
    distributions: Distributions


BEST = 25
"""How many trials Optuna's TPE holds for good ones, at most (`default_gamma`)."""
LATEST = 75
"""TPE looks at the latest so many other trials at least, and at less than twice as many."""


class Tpe:
    """Take decisions that the good trials have and others have not (Bergstra et al. 2011; Optuna's `TPESampler`).

    The first objective decides. Trials stopped early count with their last scores; failed and running ones are not
    looked at. Nor are all others: good are the best of all that were told, as many as Optuna takes for good, and what
    is not good is told from the latest trials, so that a proposal takes as long after 10,000 trials as after a few
    hundred.
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
        self._decisions: list[Distributions] = []
        """Of the trials in the study."""

    def ask(self) -> Candidate:
        seed = self._turns.next().getrandbits(32)
        self._catch_up()
        good = min(math.ceil(0.1 * len(self._told)), BEST)
        return _propose(self._space, self._study, _TpeSampler(_common(self._decisions), good, seed))

    def tell(self, trial: Trial) -> None:
        if (values := merit(trial, self._objectives)) is not None:
            self._told.append((values[:1], trial.trace))

    def _catch_up(self) -> None:
        forgotten = max(0, len(self._told) // LATEST - 1) * LATEST
        if forgotten != self._forgotten:
            self._study, self._forgotten, self._known = _study(objectives=1), forgotten, forgotten
            self._decisions = []
            old = self._told[:forgotten]
            self._add(sorted(old, key=lambda told: told[0], reverse=True)[:BEST])
        self._add(self._told[self._known :])
        self._known = len(self._told)

    def _add(self, told: Iterable[Told]) -> None:
        for values, trace in told:
            decisions = _parameters(self._space, trace)
            self._study.add_trial(create_trial(values=values, **decisions))
            self._decisions.append(decisions["distributions"])


class Nsga2:
    """Cross and mutate members of the best fronts (Deb et al. 2002; Optuna's `NSGAIISampler`), for all objectives.

    Trials stopped early count with their last scores; failed ones take no part. A trial belongs to the generation that
    is open when it is told of, and a proposal looks at the parents of its generation alone. Decisions that not all of
    them have are random, as they are in Optuna.

    Args:
        population: trials of a generation, 2 or more. Optuna's default serves searches of hundreds of trials.
    """

    def __init__(
        self,
        space: SearchSpace[Storable],
        objectives: Mapping[str, Direction],
        *,
        seed: int,
        asked: int = 0,
        population: int = 50,
    ) -> None:
        self._space = space
        self._objectives = objectives
        self._turns = Turns(seed, asked)
        self._population = population
        self._study = _study(len(objectives))
        self._traces: dict[int, Trace] = {}
        """Of the parents and of their generation, by number."""
        self._parents: list[FrozenTrial] = []
        self._generation: list[FrozenTrial] = []
        self._told = 0

    def ask(self) -> Candidate:
        seed = self._turns.next().getrandbits(32)
        for parent in self._parents:
            if not parent.params:
                decisions = _parameters(self._space, self._traces[parent.number])
                parent.params, parent.distributions = decisions["params"], decisions["distributions"]
        return _propose(self._space, self._study, _Nsga2Sampler(self._population, self._parents, seed))

    def tell(self, trial: Trial) -> None:
        if (values := merit(trial, self._objectives)) is None:
            return
        member = create_trial(values=values)
        member.number = self._told
        self._traces[self._told] = trial.trace
        self._told += 1
        self._generation.append(member)
        if len(self._generation) == self._population:
            sampler = _Nsga2Sampler(self._population, self._parents, 0, self._generation)
            self._parents = sampler.select_parent(self._study, 1)
            self._generation = []
            self._traces = {parent.number: self._traces[parent.number] for parent in self._parents}


class _TpeSampler(TPESampler):
    """TPE, told how many trials are good, and which decisions all have: finding that out took most of its time."""

    def __init__(self, common: Distributions, good: int, seed: int) -> None:
        super().__init__(seed=seed, multivariate=True, constant_liar=False)
        self._gamma = lambda known: good  # as an argument, it is deprecated
        self._common = common

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> Distributions:
        return self._common


class _Nsga2Sampler(NSGAIISampler):
    """NSGA-II, told what it would look up among all trials of a study."""

    def __init__(
        self, population: int, parents: Sequence[FrozenTrial], seed: int, generation: Sequence[FrozenTrial] = ()
    ) -> None:
        super().__init__(population_size=population, seed=seed)
        self._parents = list(parents)
        self._members = list(generation)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> Distributions:
        return _common([parent.distributions for parent in self._parents])

    def get_trial_generation(self, study: Study, trial: FrozenTrial) -> int:
        return 1

    def get_population(self, study: Study, generation: int) -> list[FrozenTrial]:
        return self._members

    def get_parent_population(self, study: Study, generation: int) -> list[FrozenTrial]:
        return self._parents


def _common(trials: Sequence[Distributions]) -> Distributions:
    """The decisions that all trials have a choice in."""
    if not trials:
        return {}
    names = set(trials[0]).intersection(*trials)
    return {name: options for name, options in sorted(trials[0].items()) if name in names and not options.single()}


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


def _parameters(space: SearchSpace[Storable], trace: Trace) -> Parameters:
    numbers = numbered(space, trace)
    return {
        "params": {name: number for name, (number, _) in numbers.items()},
        "distributions": {name: CategoricalDistribution(range(count)) for name, (_, count) in numbers.items()},
    }
