"""When to give up on a trial: asynchronous successive halving and Hyperband, for one objective or several.

Rungs are a function of a store's trials, so every runner has them and a search resumes with the rungs it had; what Ray
Tune ships cannot be resumed but through its private state, compares by one score alone and stops only Ray's trials.
"""

import itertools
import math
from bisect import bisect
from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from nas.search.halving.rungs import Rung, build_rung
from nas.search.ranking import signed
from nas.search.types import Direction, Trial

_GOLDEN = (math.sqrt(5) - 1) / 2


class SchedulerConfig(BaseModel):
    """Which trials are given up early: at a rung, those not among the best 1/`reduction` that got there so far.

    Rungs lie at fidelity steps `grace`, `grace * reduction`, `grace * reduction**2` and so on (ASHA, arXiv 1810.05934,
    section 3.2, the stopping variant that Ray Tune runs).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Literal["asha", "hyperband", "none"] = "asha"
    """asha: every trial is compared at every rung; hyperband: some meet their first rung later and a few none at all,
    in case early scores mislead; none: every trial is evaluated in full."""
    grace: PositiveInt = 1
    """Fidelity steps that no trial is given up before."""
    reduction: float = Field(3.0, ge=1.5, allow_inf_nan=False)
    """One in so many trials goes on from a rung."""

    def rungs(self, steps: int) -> tuple[int, ...]:
        """Fidelity steps at which trials of `steps` are compared, the first first; after the last nothing is saved."""
        milestones = (math.ceil(self.grace * self.reduction**k) for k in itertools.count())
        return tuple(itertools.takewhile(lambda step: step < steps, milestones))

    def brackets(self, steps: int) -> list[tuple[int, ...]]:
        """The rungs that trials meet, by bracket; Hyperband's last bracket has none (arXiv 1603.06560, section 3)."""
        rungs = self.rungs(steps)
        match self.method:
            case "none":
                return [()]
            case "asha":
                return [rungs]
            case "hyperband":
                return [rungs[first:] for first in range(len(rungs) + 1)]


class SuccessiveHalving:
    """Decides at each report whether a trial goes on.

    By several objectives, trials are compared as in MO-ASHA (arXiv 2106.12639, section 3): by non-dominated sorting,
    within a front by how far they lie from one another.

    Args:
        config: which trials are given up.
        objectives: what they are compared by.
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
        """Which bracket a trial belongs to: in any run of trials, brackets have Hyperband's shares of them."""
        return bisect(self._shares, number * _GOLDEN % 1)

    def remember(self, trial: Trial) -> None:
        """Have a trial of an earlier session, or of another driver, count at the rungs it got to."""
        for step in range(1, len(trial.reports) + 1):
            if arrival := self._arrival(trial, step):
                rung, values = arrival
                rung.add(values)

    def stops(self, trial: Trial) -> bool:
        """Whether a running trial is given up for what it has just reported; from now on it counts at that rung."""
        arrival = self._arrival(trial, len(trial.reports))
        if arrival is None:
            return False
        rung, values = arrival
        admitted = rung.admits(values)
        rung.add(values)
        return not admitted

    def _arrival(self, trial: Trial, step: int) -> tuple[Rung, tuple[float, ...]] | None:
        """The rung that a trial gets to at a step, and what it brings; None where there is none, or a second time."""
        rung = self._rungs.get((self.bracket(trial.number), step))
        if rung is None or (trial.number, step) in self._arrived:
            return None
        values = signed(trial.reports[step - 1], self._objectives)
        if values is None:
            return None
        self._arrived.add((trial.number, step))
        return rung, values


def _shares(brackets: int, reduction: float) -> Sequence[float]:
    """Upper ends of the brackets' shares of the trials, but the last: Hyperband starts so many that each bracket
    costs about as much as another (arXiv 1603.06560, Algorithm 1).
    """
    counts = [brackets / (brackets - first) * reduction ** (brackets - first - 1) for first in range(brackets)]
    return [end / sum(counts) for end in itertools.accumulate(counts[:-1])]
