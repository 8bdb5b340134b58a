"""The live view of a search: redrawn in place on a terminal, a line per ended trial elsewhere."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from nas.inspect.progress import SearchProgress
from nas.inspect.words import duration, format_scores, one_line
from nas.search.types import Direction, State, Trial

STYLES = {State.finished: "green", State.stopped: "yellow", State.failed: "red"}
_REFRESHES = 4
"""Redraws per second."""
_MOST_BARS = 8


class LiveView:
    """Shows a search while it runs; pass `watch` to the search and use the view as a context manager.

    On a terminal a thread redraws it up to four times a second. `watch` only records the trial, so it may be called
    at any rate.

    Args:
        console: console of the view.
        trials: number of requested trials.
        steps: reports of a full evaluation.
        objectives: the search's objectives; the first one ranks trials.
        resumed: trials of earlier sessions.
        clock: monotonic time, s.
    """

    def __init__(
        self,
        console: Console,
        *,
        trials: int,
        steps: int,
        objectives: Mapping[str, Direction],
        resumed: Sequence[Trial] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console
        self._clock = clock
        self._start = clock()
        self._progress = SearchProgress(trials, steps, objectives, resumed)
        self._lock = threading.Lock()  # the thread that draws reads what `watch` changes
        self._live: Live | None = None
        self._over = False
        if console.is_terminal and not console.is_dumb_terminal:
            self._live = Live(get_renderable=self._frame, console=console, refresh_per_second=_REFRESHES)

    def __enter__(self) -> "LiveView":
        self._start = self._clock()
        if self._live:
            self._live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over = True
        if self._live:
            self._live.stop()

    def watch(self, trial: Trial) -> None:
        """Record a trial that is new, has reported or has ended."""
        with self._lock:
            self._progress.add(trial)
            if self._live is None and trial.state.ended:
                self._console.print(Text(self._line(trial)), soft_wrap=True)

    def _line(self, trial: Trial) -> str:
        progress = self._progress
        outcome = one_line(trial.error or "") or format_scores(trial.scores or {}, progress.objectives)
        took = "" if trial.seconds is None else duration(trial.seconds)
        leader = f"best {progress.leader}" if progress.leader else ""
        standing = [f"{progress.ended}/{progress.trials}", leader, progress.left(self._clock() - self._start)]
        facts = "  ".join(filter(None, [f"trial {trial.number}", trial.state.value, outcome, took]))
        return f"{facts}   ({', '.join(filter(None, standing))})"

    def _frame(self) -> RenderableType:
        with self._lock:
            elapsed = self._clock() - self._start
            return Group(*overview(self._progress, elapsed), *([] if self._over else self._bars()), *self._failures())

    def _bars(self) -> Iterator[RenderableType]:
        running = list(self._progress.running.values())
        if running:
            grid = _grid()
            for trial in running[:_MOST_BARS]:
                done, steps = self._progress.done(trial), self._progress.steps
                scores = format_scores(trial.scores or {}, list(self._progress.objectives)[:1]) or "starting"
                bar = ProgressBar(total=steps, completed=done, width=24)
                grid.add_row(f"trial {trial.number}", bar, f"{done}/{steps}", scores)
            yield Text()
            yield grid
        if len(running) > _MOST_BARS:
            yield Text(f"and {len(running) - _MOST_BARS} more", style="dim")

    def _failures(self) -> Iterator[RenderableType]:
        if self._progress.failures:
            yield Text()
        for trial in reversed(self._progress.failures):
            line = f"trial {trial.number} failed: {one_line(trial.error or 'no reason given')}"
            yield Text(line, style=STYLES[State.failed], no_wrap=True, overflow="ellipsis")


def overview(progress: SearchProgress, elapsed: float) -> Iterator[RenderableType]:
    """Two lines: ended trials by state with times, and the best trial so far."""
    ended = Text(f"{progress.ended}/{progress.trials} trials")
    for state in State:
        if count := progress.counts[state]:
            ended.append(f"  {count} {state.value}", STYLES[state])
    grid = _grid()
    bar = ProgressBar(total=max(progress.trials, 1), completed=progress.ended, width=24)
    grid.add_row(bar, ended, f"{duration(elapsed)} elapsed", progress.left(elapsed))
    yield grid
    if progress.best:
        scores = format_scores(progress.best.scores or {}, progress.objectives)
        yield Text.assemble("best so far: ", (f"trial {progress.best.number}  {scores}", "bold"))
    else:
        yield Text("best so far: none scored yet", style="dim")


def _grid() -> Table:
    return Table.grid(padding=(0, 2))
