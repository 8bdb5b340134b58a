"""Optuna's samplers over a space's decisions: the tree-structured Parzen estimator and NSGA-II.

A decision is a categorical parameter of the same name over its option indices; conditional decisions are suggested
as the space is built (define-by-run). Studies lie in memory and follow the tells, and every proposal has a sampler
with its own seed: a replay of the tells restores the whole state.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TypedDict, TypeVar

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, NSGAIISampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState, create_trial

from nas.search.objectives import objective_vector
from nas.search.strategies.proposal_rng import ProposalRng, candidate, numbered
from nas.search.types import Candidate, Direction, Storable, Trial
from search_spaces.choose import Choice, SearchSpace, Trace, record

T = TypeVar("T", bound=Choice)
Distributions = dict[str, BaseDistribution]
Observation = tuple[tuple[float, ...], Trace]
"""Objective vector (more is better) and the decisions that led to it."""


class Parameters(TypedDict):
    """Decisions as Optuna's parameters."""

    params: dict[str, int]
    distributions: Distributions


BEST = 25
"""Upper bound of the good trials of Optuna's TPE (`default_gamma`)."""
LATEST = 75
"""Lower bound of the latest trials that model the other density; their number stays below twice this."""


class Tpe:
    """Propose decisions likelier among the good trials than among others (Bergstra et al. 2011; `TPESampler`).

    The first objective decides. Trials stopped early count with their last scores; failed and running trials are left
    out. The good trials are the best of all told, in Optuna's number; the others are the latest trials alone, so that
    a proposal takes as long after 10,000 trials as after a few hundred.
    """

    def __init__(
        self, space: SearchSpace[Storable], objectives: Mapping[str, Direction], *, seed: int, asked: int = 0
    ) -> None:
        self._space = space
        self._objectives = objectives
        self._rng = ProposalRng(seed, asked)
        self._observations: list[Observation] = []
        self._study = _study(objectives=1)
        self._forgotten = 0
        """Number of oldest observations from which the study holds only the good ones."""
        self._known = 0
        """Number of observations that the study reflects."""
        self._decisions: list[Distributions] = []
        """Distributions of the study's trials."""

    def ask(self) -> Candidate:
        seed = self._rng.next().getrandbits(32)
        self._catch_up()
        good = min(math.ceil(0.1 * len(self._observations)), BEST)
        return _propose(self._space, self._study, _TpeSampler(_common(self._decisions), good, seed))

    def tell(self, trial: Trial) -> None:
        if (values := objective_vector(trial, self._objectives)) is not None:
            self._observations.append((values[:1], trial.trace))

    def _catch_up(self) -> None:
        forgotten = max(0, len(self._observations) // LATEST - 1) * LATEST
        if forgotten != self._forgotten:
            self._study, self._forgotten, self._known = _study(objectives=1), forgotten, forgotten
            self._decisions = []
            old = self._observations[:forgotten]
            self._add(sorted(old, key=lambda observation: observation[0], reverse=True)[:BEST])
        self._add(self._observations[self._known :])
        self._known = len(self._observations)

    def _add(self, observations: Iterable[Observation]) -> None:
        for values, trace in observations:
            decisions = _parameters(self._space, trace)
            self._study.add_trial(create_trial(values=values, **decisions))
            self._decisions.append(decisions["distributions"])


class Nsga2:
    """Cross and mutate members of the best Pareto fronts, by all objectives (Deb et al. 2002; `NSGAIISampler`).

    Trials stopped early count with their last scores; failed trials are left out. A trial belongs to the generation
    that is open when it is told, and a proposal uses the parents of its generation alone. Decisions that not all
    parents have are random, as in Optuna.

    Args:
        population: trials per generation, 2 or more. Optuna's default suits searches of hundreds of trials.
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
        self._rng = ProposalRng(seed, asked)
        self._population = population
        self._study = _study(len(objectives))
        self._traces: dict[int, Trace] = {}
        """Traces of the parents and of the open generation, by number."""
        self._parents: list[FrozenTrial] = []
        self._generation: list[FrozenTrial] = []
        self._count = 0

    def ask(self) -> Candidate:
        seed = self._rng.next().getrandbits(32)
        for parent in self._parents:
            if not parent.params:
                decisions = _parameters(self._space, self._traces[parent.number])
                parent.params, parent.distributions = decisions["params"], decisions["distributions"]
        return _propose(self._space, self._study, _Nsga2Sampler(self._population, self._parents, seed))

    def tell(self, trial: Trial) -> None:
        if (values := objective_vector(trial, self._objectives)) is None:
            return
        member = create_trial(values=values)
        member.number = self._count
        self._traces[self._count] = trial.trace
        self._count += 1
        self._generation.append(member)
        if len(self._generation) == self._population:
            sampler = _Nsga2Sampler(self._population, self._parents, 0, self._generation)
            self._parents = sampler.select_parent(self._study, 1)
            self._generation = []
            self._traces = {parent.number: self._traces[parent.number] for parent in self._parents}


class _TpeSampler(TPESampler):
    """TPE with the number of good trials and the common decisions given: computing those took most of its time."""

    def __init__(self, common: Distributions, good: int, seed: int) -> None:
        super().__init__(seed=seed, multivariate=True, constant_liar=False)
        self._gamma = lambda known: good  # the constructor's argument is deprecated
        self._common = common

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> Distributions:
        return self._common


class _Nsga2Sampler(NSGAIISampler):
    """NSGA-II with parents and generation given, which Optuna reads from all trials of a study."""

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
    """Decisions of more than one option that all trials have."""
    if not trials:
        return {}
    names = set(trials[0]).intersection(*trials)
    return {name: options for name, options in sorted(trials[0].items()) if name in names and not options.single()}


def _study(objectives: int) -> Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # INFO logs every study and trial
    return optuna.create_study(directions=["maximize"] * objectives)


def _propose(space: SearchSpace[Storable], study: Study, sampler: BaseSampler) -> Candidate:
    study.sampler = sampler
    trial = study.ask()

    def choose(name: str, options: Sequence[T], /) -> T:
        return options[trial.suggest_categorical(name, range(len(options)))]

    proposal = candidate(record(space, choose))
    study.tell(trial, state=TrialState.FAIL)  # its scores are added by `tell`
    return proposal


def _parameters(space: SearchSpace[Storable], trace: Trace) -> Parameters:
    numbers = numbered(space, trace)
    return {
        "params": {name: number for name, (number, _) in numbers.items()},
        "distributions": {name: CategoricalDistribution(range(count)) for name, (_, count) in numbers.items()},
    }
