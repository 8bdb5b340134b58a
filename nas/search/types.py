"""The contracts of a search. Whoever fulfils one of these protocols can take part."""

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
    """A runner has nowhere to run what is asked for; the message says what to ask for instead."""


class State(StrEnum):
    """Where a trial stands."""

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
    """JSON of what was built."""
    seed: int
    reports: tuple[Scores, ...] = ()
    """One entry per fidelity step."""
    seconds: float | None = None
    error: str | None = None
    told: int | None = None
    """Its place in the order of what strategies were told."""
    slot: int = 0
    """The driver that began it last."""
    attempts: int = 1
    """How often it was begun; those whose driver left it in peace are not counted."""

    @property
    def scores(self) -> Scores | None:
        """The last report, or None before the first and for failed trials."""
        return self.reports[-1] if self.reports and self.state is not State.failed else None


@dataclass(frozen=True)
class Candidate:
    """What a strategy proposes: a member of its space, its key and the decisions that lead to it."""

    trace: Trace
    key: str
    value: "Storable"


class Storable(Keyed, Protocol):
    """A space's member that can be kept and sent: a genotype, or another frozen value."""

    def to_json(self) -> str: ...


class Strategy(Protocol):
    """Proposes candidates and learns from trials: sees traces, keys and scores, and nothing else.

    Its state is a function of its seed and of the calls made on it, so replaying a store's trials resumes it.
    """

    def ask(self) -> Candidate:
        """Propose a candidate. May repeat an earlier key: the loop answers repeats from the store."""
        ...

    def tell(self, trial: Trial) -> None:
        """Learn of an ended trial; `trial.trace` is the trace that was asked for."""
        ...


class Predictor(Protocol):
    """Guesses how members of a space would score, from how others did, and says how sure it is.

    It may look at a member's trace, which every space has, or at its value, if that offers an encoding.
    """

    def fit(self, members: Sequence[Candidate], scores: Sequence[float], *, seed: int) -> None:
        """Learn from these members and nothing learned before; the same ones teach the same at a seed.

        Args:
            members: at least two.
            scores: one each, finite, more being better.
            seed: of whatever is drawn.
        """
        ...

    def predict(self, members: Sequence[Candidate]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The (N,) means and (N,) standard deviations of what N members would score, in a unit of its own."""
        ...


class Proxy(Protocol):
    """Judges a genotype. Must pickle: it travels once to every worker."""

    @property
    def objectives(self) -> Mapping[str, Direction]:
        """Names of the scores a search optimises; the first one ranks trials."""
        ...

    @property
    def steps(self) -> int:
        """How many reports a full evaluation yields."""
        ...

    def evaluate(self, genotype: Genotype, *, seed: int, device: str) -> Iterator[Scores]:
        """Yield scores once per fidelity step. Raise for a candidate that cannot be judged."""
        ...


@dataclass(frozen=True)
class Job:
    """What travels to a worker: a genotype's JSON and no search space."""

    number: int
    genotype: str
    seed: int


Work = Callable[[Job], Iterator[Scores]]
"""Evaluates a job, one yield per fidelity step; raises for a candidate that fails."""


@dataclass(frozen=True)
class Report:
    """News of a job: scores while `state` is running, the end otherwise."""

    number: int
    state: State
    scores: Scores | None = None
    seconds: float = 0.0
    error: str | None = None
    died: bool = False
    """Failed with its worker, which may not be the candidate's fault: another attempt may tell."""


Ask = Callable[[], Job | None]
"""Hands out the next job; None where there are no more."""
Tell = Callable[[Report], bool]
"""Hears of a job's news, and answers whether to give the job up."""


class Runner(Protocol):
    """Carries out jobs somewhere, as many at once as it has room for."""

    def run(self, ask: Ask, work: Work, tell: Tell) -> None:
        """Call `ask` for jobs until it returns None and `tell` of each job's news.

        Every job ends with exactly one report whose state is ended, or with a `tell` that answered True: then it goes
        no further, and nothing more is told of it. An exception raised by `ask` or `tell` ends the run and is
        re-raised; one raised by `work` ends only that job, as failed.
        """
        ...
