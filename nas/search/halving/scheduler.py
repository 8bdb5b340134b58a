"""Early stopping of trials: asynchronous successive halving and Hyperband, for one objective or several.

Rungs are a function of a store's trials, so they serve every runner and a search resumes with the same rungs. Ray
Tune's schedulers resume through private state only, compare a single score and stop Ray's trials only.
"""

import itertools
import math
from bisect import bisect
from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from nas.search.halving.rungs import Rung, build_rung
from nas.search.objectives import signed
from nas.search.types import Direction, Trial

_GOLDEN = (math.sqrt(5) - 1) / 2


class SchedulerConfig(BaseModel):
    """Early stopping: a rung stops every trial outside the best 1/`reduction` of those that reached it so far.

    Rungs lie at fidelity steps `grace`, `grace * reduction`, `grace * reduction**2` and so on (ASHA, arXiv 1810.05934,
    section 3.2, the stopping variant that Ray Tune runs).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Literal["asha", "hyperband", "none"] = "asha"
    """asha: every trial is compared at every rung; hyperband: some trials start at a later rung and a few meet none,
    in case early scores mislead; none: every trial is evaluated in full."""
    grace: PositiveInt = 1
    """Fidelity step of the first rung: no trial is stopped earlier."""
    reduction: float = Field(3.0, ge=1.5, allow_inf_nan=False)
    """Reduction factor: a rung promotes the best 1/`reduction` of its trials."""

    def rungs(self, steps: int) -> tuple[int, ...]:
        """Fidelity steps of the rungs, ascending, below `steps`: stopping a trial at its last step saves nothing."""
        milestones = (math.ceil(self.grace * self.reduction**k) for k in itertools.count())
        return tuple(itertools.takewhile(lambda step: step < steps, milestones))

    def brackets(self, steps: int) -> list[tuple[int, ...]]:
        """The rungs of each bracket; Hyperband's last bracket has none (arXiv 1603.06560, section 3)."""
        rungs = self.rungs(steps)
        match self.method:
            case "none":
                return [()]
            case "asha":
                return [rungs]
            case "hyperband":
                return [rungs[first:] for first in range(len(rungs) + 1)]


class SuccessiveHalving:
    """Decides at each report whether a trial continues.

    Several objectives are compared as in MO-ASHA (arXiv 2106.12639, section 3): by non-dominated sorting, and within
    a front by distance from one another.

    Args:
        config: method, grace period and reduction factor.
        objectives: the scores that rungs compare.
        steps: reports of a full evaluation.
    """

    def __init__(self, config: SchedulerConfig, objectives: Mapping[str, Direction], steps: int) -> None:
        self._objectives = objectives
        self._brackets = config.brackets(steps)
        self._shares = _shares(len(self._brackets), config.reduction)
        self._rungs: dict[tuple[int, int], Rung] = {
            (bracket, step): build_rung(len(objectives), config.reduction)
            for bracket, rungs in enumerate(self._brackets)
            for step in rungs
        }
        self._arrived: set[tuple[int, int]] = set()

    def bracket(self, number: int) -> int:
        """The trial's bracket: any range of trial numbers splits over the brackets in Hyperband's shares."""
        return bisect(self._shares, number * _GOLDEN % 1)

    def remember(self, trial: Trial) -> None:
        """Add a trial of an earlier session or of another driver to the rungs that it reached."""
        for step in range(1, len(trial.reports) + 1):
            if arrival := self._arrival(trial, step):
                rung, values = arrival
                rung.add(values)

    def stops(self, trial: Trial) -> bool:
        """Whether to stop a running trial after its latest report; adds the report to its rung."""
        arrival = self._arrival(trial, len(trial.reports))
        if arrival is None:
            return False
        rung, values = arrival
        admitted = rung.admits(values)
        rung.add(values)
        return not admitted

    def _arrival(self, trial: Trial, step: int) -> tuple[Rung, tuple[float, ...]] | None:
        """The rung that a trial reaches at a step, and its objective vector; None without a rung or on a repeat."""
        rung = self._rungs.get((self.bracket(trial.number), step))
        if rung is None or (trial.number, step) in self._arrived:
            return None
        values = signed(trial.reports[step - 1], self._objectives)
        if values is None:
            return None
        self._arrived.add((trial.number, step))
        return rung, values


def _shares(brackets: int, reduction: float) -> Sequence[float]:
    """Cumulative shares of the trials by bracket, without the last: Hyperband sizes brackets to about equal budgets
    (arXiv 1603.06560, Algorithm 1).
    """
    counts = [brackets / (brackets - first) * reduction ** (brackets - first - 1) for first in range(brackets)]
    return [end / sum(counts) for end in itertools.accumulate(counts[:-1])]
