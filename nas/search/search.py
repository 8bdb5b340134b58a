"""A search, from its parts to its best trial."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nas.search.halving.scheduler import SchedulerConfig, SuccessiveHalving
from nas.search.lease import Lease
from nas.search.objectives import best
from nas.search.runners.evaluate import Evaluate
from nas.search.runners.local import LocalRunner
from nas.search.search_loop import SearchLoop
from nas.search.store import Store
from nas.search.strategies import StrategyConfig, Task, strategy_config
from nas.search.strategies.proposal_rng import candidate
from nas.search.types import Candidate, Direction, Predictor, Proxy, Runner, Trial
from nas.seeds import nth_seed
from search_spaces.choose import SearchSpace, sample
from search_spaces.genotype import Genotype
from search_spaces.within import Violation, Within


@dataclass(frozen=True)
class Result:
    """The outcome of a search."""

    best: Trial | None
    """Best trial by the first objective; None if no trial has scores."""
    exhausted: bool
    """The search ended before its last trial, because no new member was found."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """A search of a space for the candidates that a proxy scores best.

    Attributes:
        space: what is searched.
        proxy: scores candidates.
        store: remembers the trials. If it has joined its study, other drivers may run the same search at the same time:
            the strategy is told their trials too, and trials of a dead driver restart here.
        trials: number of ended trials (finished, stopped or failed) of the study at which the search ends.
        strategy: proposes candidates.
        scheduler: stops trials early.
        runner: evaluates trials.
        objectives: scores that strategy and scheduler optimise, the first one ranks; None for the proxy's first one.
        violation: distance of a member from the constraints, 0 within them. Proposals are repaired (see `Within`), and
            rejected before a worker is used if that fails.
        predictor: surrogate model of the strategy `guided`; None for a Gaussian process over traces.
        draws: once the strategy has converged, and until its next new proposal, follow every repeated proposal by a
            trial of a random member, which the strategy is told. Otherwise the search ends there.
        seed: of proposals, and of every trial: candidates share initialisation and order of data.
        device: the proxy's device, in the worker's own numbering.
        watch: called with a trial whenever it changes.
        parse: reads a member from its `to_json`; must pickle.
    """

    space: SearchSpace[Any]
    proxy: Proxy
    store: Store
    trials: int
    strategy: StrategyConfig = field(default_factory=strategy_config)
    scheduler: SchedulerConfig = field(default_factory=SchedulerConfig)
    runner: Runner = field(default_factory=LocalRunner)
    objectives: Mapping[str, Direction] | None = None
    violation: Violation | None = None
    predictor: Predictor | None = None
    draws: bool = True
    seed: int = 0
    device: str = "cpu"
    watch: Callable[[Trial], None] = lambda trial: None
    parse: Callable[[str], Any] = Genotype.from_json

    def run(self) -> Result:
        """Search until the study has all its trials.

        Run the search again with the same store to resume it: trials left running by a dead driver restart, and with
        one worker the strategy makes the same proposals, unless its state depends on rejected ones.

        Raises:
            ImportPathError: the user's own strategy cannot be built.
            StoreError: the store is damaged, full, or unreachable for too long.
        """
        objectives = self.objectives or dict([next(iter(self.proxy.objectives.items()))])
        space = self._constrained()

        def draw(rng: random.Random) -> Candidate:
            return candidate(sample(space, rng))

        # each driver of a study makes its own proposals
        seed, asked = nth_seed(self.seed, self.store.slot), self.store.asked
        strategy = self.strategy.build(Task(space, objectives, seed, asked, self.predictor))
        with Lease(self.store) as lease:
            loop = SearchLoop(
                store=self.store,
                lease=lease,
                strategy=strategy,
                scheduler=SuccessiveHalving(self.scheduler, objectives, self.proxy.steps),
                trials=self.trials,
                seed=self.seed,
                watch=self.watch,
                violation=self.violation,
                draw=draw if self.draws else None,
            )
            loop.run(self.runner, Evaluate(self.proxy, self.device, self.parse, tuple(objectives)))
        return Result(best(self.store.trials(), objectives), loop.exhausted)

    def _constrained(self) -> SearchSpace[Any]:
        return Within(self.space, self.violation, seed=self.seed) if self.violation else self.space
