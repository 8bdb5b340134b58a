"""The loop of a search: a strategy proposes, a runner evaluates, a store remembers, the strategy learns."""

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from nas.search.halving.scheduler import SuccessiveHalving
from nas.search.store import KeyClaimed, StudyFull
from nas.search.trial_loop import TrialLoop
from nas.search.types import Candidate, Strategy, Trial
from search_spaces.within import Violation

CONVERGED = 100
"""A strategy counts as converged after this many consecutive repeated or rejected proposals."""
MOST_REPEATS = 1000
"""A space counts as exhausted after this many consecutive proposals, or random draws, without a new member."""

Draw = Callable[[random.Random], Candidate]


@dataclass(kw_only=True)
class SearchLoop(TrialLoop):
    """Proposes candidates until the study has its trials, and replays the study's history to strategy and scheduler.

    `nas.search.search.Search` builds it; its fields are those of the search, the strategy and the scheduler new.
    """

    strategy: Strategy
    scheduler: SuccessiveHalving
    trials: int
    seed: int
    watch: Callable[[Trial], None]
    violation: Violation | None
    draw: Draw | None
    """Samples a random member; None ends the search once the strategy has converged."""
    exhausted: bool = field(default=False, init=False)
    """The search ended before its last trial, because no new member was found."""
    _replayed: int = field(default=0, init=False)
    """Length of the study's history that the strategy was told."""
    _ended: set[int] = field(default_factory=set, init=False)
    """Numbers of the trials known to have ended."""

    def __post_init__(self) -> None:
        for trial in self.store.history():
            self._tell_strategy(trial)
            self._ended.add(trial.number)

    def new_trial(self) -> Trial | None:
        if self.lease.others:
            self.catch_up()
        if self.exhausted or self.store.count >= self.trials:
            return None
        try:
            for _ in range(MOST_REPEATS):
                if self.draw and self.store.stale >= CONVERGED:
                    trial = self._random_trial(self.draw)
                    self.exhausted = trial is None
                    return trial
                if trial := self._claim(self.strategy.ask()):
                    return trial
        except StudyFull:
            return None
        self.exhausted = True
        return None

    def stops(self, trial: Trial) -> bool:
        return self.scheduler.stops(trial)

    def update(self, trial: Trial) -> None:
        """Show a changed trial; if it has ended, replay the history up to it, trials of other drivers included."""
        if not trial.state.ended:
            self.watch(trial)
        elif trial.told == self._replayed:
            self._replay(trial)
        else:
            self.catch_up()

    def catch_up(self) -> None:
        for trial in self.store.history(self._replayed):
            self._replay(trial)

    def _random_trial(self, draw: Draw) -> Trial | None:
        """A trial of a random member; None if no draw is new."""
        rng = random.Random(f"{self.seed}/{self.store.slot}/drawn/{self.store.count}")
        for _ in range(MOST_REPEATS):
            candidate = draw(rng)
            if self.store.find(candidate.key) or (self.violation and self.violation(candidate.value)):
                continue
            with suppress(KeyClaimed):
                return self._begin(candidate, drawn=True)
        return None

    def _claim(self, candidate: Candidate) -> Trial | None:
        """A trial of the candidate; None if its key has a trial (no key is evaluated twice) or it is rejected."""
        if known := self.store.find(candidate.key):
            repeat = self.store.repeat(known.number, candidate.trace)
            if repeat.state.ended:
                self.update(repeat)
            return None
        if self.violation and self.violation(candidate.value):
            self.store.reject()
            return None
        try:
            return self._begin(candidate, drawn=False)
        except KeyClaimed:
            return self._claim(candidate)

    def _begin(self, candidate: Candidate, *, drawn: bool) -> Trial:
        return self.store.create(
            key=candidate.key,
            trace=candidate.trace,
            genotype=candidate.value.to_json(),
            seed=self.seed,
            drawn=drawn,
            most=self.trials,
        )

    def _replay(self, trial: Trial) -> None:
        self._tell_strategy(trial)
        if trial.number not in self._ended:  # a repeat changes no trial
            self._ended.add(trial.number)
            self.watch(trial)

    def _tell_strategy(self, trial: Trial) -> None:
        assert trial.told is not None, "only ended trials are told"
        self.strategy.tell(trial)
        self.scheduler.remember(trial)
        self._replayed = trial.told + 1
