"""The contracts of a search: protocols of its parts, and the values that pass between them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from search_spaces.choose import Keyed, Trace
from search_spaces.errors import FusionNasError
from search_spaces.genotype import Genotype

Scores = Mapping[str, float]
"""Objective or metric name -> value; units are in the name: ap, gmacs, latency_ms."""
Direction = Literal["max", "min"]


class CannotRun(FusionNasError, RuntimeError):
    """A runner finds no place for the requested resources; the message says what to request instead."""


class State(StrEnum):
    """The state of a trial."""

    running = "running"
    finished = "finished"
    stopped = "stopped"
    """Ended early by a scheduler; its scores are those of its last report."""
    failed = "failed"

    @property
    def ended(self) -> bool:
        return self is not State.running


@dataclass(frozen=True)
class Trial:
    """One evaluation of a genotype by a proxy at a seed and a budget: one row of the store."""

    number: int
    state: State
    key: str
    trace: Trace
    genotype: str
    """JSON of the member that was built."""
    seed: int
    reports: tuple[Scores, ...] = ()
    """One entry per fidelity step."""
    seconds: float | None = None
    error: str | None = None
    told: int | None = None
    """Position in the study's history, the order of the tells; None until the trial ends."""
    slot: int = 0
    """Slot of the driver that started the latest attempt."""
    attempts: int = 1
    """Number of attempts, without those that a driver released alive."""

    @property
    def scores(self) -> Scores | None:
        """The last report, or None before the first and for failed trials."""
        return self.reports[-1] if self.reports and self.state is not State.failed else None


@dataclass(frozen=True)
class Candidate:
    """A strategy's proposal: a member of its space, the member's key and the decisions that build it."""

    trace: Trace
    key: str
    value: "Storable"


class Storable(Keyed, Protocol):
    """A space's member that can be stored and sent to workers: a genotype, or another frozen value."""

    def to_json(self) -> str: ...


class Strategy(Protocol):
    """Proposes candidates and learns from trials: sees traces, keys and scores, and nothing else.

    Its state is a function of its seed and its calls, so replaying a store's history resumes it.
    """

    def ask(self) -> Candidate:
        """Propose a candidate. A key may repeat: the loop answers repeats from the store."""
        ...

    def tell(self, trial: Trial) -> None:
        """Learn from an ended trial; `trial.trace` is the proposed trace."""
        ...


class Predictor(Protocol):
    """Predicts scores of a space's members from scores of others, with uncertainty: a surrogate model.

    Its input is a member's trace, which every space has, or the member's value, if that offers an encoding.
    """

    def fit(self, members: Sequence[Candidate], scores: Sequence[float], *, seed: int) -> None:
        """Fit to these members, forgetting earlier ones; deterministic at a seed.

        Args:
            members: at least two.
            scores: one each, finite, more being better.
            seed: of the fit's randomness.
        """
        ...

    def predict(self, members: Sequence[Candidate]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The (N,) means and (N,) standard deviations of N members' predicted scores, in the predictor's own unit."""
        ...


class Proxy(Protocol):
    """Evaluates a genotype cheaply. Must pickle: it is sent once to every worker."""

    @property
    def objectives(self) -> Mapping[str, Direction]:
        """Names and directions of the scores that a search optimises; the first one ranks trials."""
        ...

    @property
    def steps(self) -> int:
        """Number of reports of a full evaluation."""
        ...

    def evaluate(self, genotype: Genotype, *, seed: int, device: str) -> Iterator[Scores]:
        """Yield scores once per fidelity step. Raise for a candidate that cannot be evaluated."""
        ...


@dataclass(frozen=True)
class Job:
    """The message to a worker: a genotype's JSON, and no search space."""

    number: int
    genotype: str
    seed: int


Work = Callable[[Job], Iterator[Scores]]
"""Evaluates a job, one yield per fidelity step; raises for a candidate that fails."""


@dataclass(frozen=True)
class Report:
    """A report of a job: a fidelity step's scores while `state` is running, the job's end otherwise."""

    number: int
    state: State
    scores: Scores | None = None
    seconds: float = 0.0
    error: str | None = None
    died: bool = False
    """The worker died, which may not be the candidate's fault: the loop retries the trial."""


Ask = Callable[[], Job | None]
"""Returns the next job; None if there are no more."""
Tell = Callable[[Report], bool]
"""Receives a job's report; returns whether to stop the job early."""


class Runner(Protocol):
    """Runs jobs, as many at once as its resources allow."""

    def run(self, ask: Ask, work: Work, tell: Tell) -> None:
        """Call `ask` for jobs until it returns None, and call `tell` with every report of a job.

        Every job ends with exactly one report whose state is ended, or with a `tell` that returned True: the job stops
        there, without another report. An exception raised by `ask` or `tell` ends the run and is re-raised; one raised
        by `work` ends only that job, as failed.
        """
        ...
