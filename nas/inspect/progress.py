"""Progress of a search, updated trial by trial for a live view."""

from collections import Counter, deque
from collections.abc import Mapping, Sequence

from nas.inspect.words import duration, format_score
from nas.search.objectives import best
from nas.search.types import Direction, State, Trial


class SearchProgress:
    """Progress of a search after each change of a trial. An update takes constant time.

    Attributes:
        trials: number of requested trials.
        steps: reports of a full evaluation.
        counts: ended trials, by state.
        running: running trials, by number.
        best: the best ended trial.
        failures: the latest failed trials, newest last.
    """

    def __init__(
        self, trials: int, steps: int, objectives: Mapping[str, Direction], resumed: Sequence[Trial] = ()
    ) -> None:
        self.trials = trials
        self.steps = steps
        self.objectives = objectives
        self.counts: Counter[State] = Counter()
        self.running: dict[int, Trial] = {}
        self.best: Trial | None = None
        self.failures: deque[Trial] = deque(maxlen=3)
        for trial in resumed:
            if trial.state.ended:  # the others are about to restart
                self.add(trial)
        self._before = self.ended

    def add(self, trial: Trial) -> None:
        """Update with a trial that is new, has reported or has ended."""
        if not trial.state.ended:
            self.running[trial.number] = trial
            return
        self.running.pop(trial.number, None)
        self.counts[trial.state] += 1
        self.best = best([t for t in (self.best, trial) if t], self.objectives)
        if trial.state is State.failed:
            self.failures.append(trial)

    @property
    def ended(self) -> int:
        return self.counts.total()

    @property
    def leader(self) -> str:
        """The best trial in short, `0.347 by 5`; empty if there is none."""
        if self.best is None or self.best.scores is None:
            return ""
        return f"{format_score(self.best.scores[next(iter(self.objectives))])} by {self.best.number}"

    def done(self, trial: Trial) -> int:
        """Steps that a running trial has completed."""
        return min(len(trial.reports), self.steps)

    def left(self, elapsed: float) -> str:
        """Estimated time left at the pace of the last `elapsed` seconds; empty before the first trial has ended."""
        here, remaining = self.ended - self._before, self.trials - self.ended
        if not here or remaining <= 0:
            return ""
        under_way = sum(map(self.done, self.running.values())) / self.steps
        return f"about {duration(max(remaining - under_way, 0) * elapsed / (here + under_way))} left"
