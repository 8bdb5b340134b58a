"""The live view of a search, with and without a terminal."""

import io
from typing import Any

import pytest
from rich.console import Console

from nas.inspect.live import LiveView
from nas.inspect.words import duration
from nas.search.types import Direction, State, Trial

OBJECTIVES: dict[str, Direction] = {"ap": "max", "gmacs": "min"}
HOSTILE = "RuntimeError: [bold]no[/bold] [/] such\nthing \x1b[2J"


class Clock:
    """A clock that tests set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def trial(number: int, state: State, *aps: float, error: str | None = None, seconds: float | None = 38.0) -> Trial:
    reports = tuple({"ap": ap, "gmacs": 0.041} for ap in aps)
    return Trial(number, state, f"{number:032x}", {}, "{}", 0, reports, seconds, error)


def show(console: Console, *trials: Trial, resumed: tuple[Trial, ...] = (), elapsed: float = 60.0) -> None:
    clock = Clock()
    view = LiveView(console, trials=24, steps=4, objectives=OBJECTIVES, resumed=resumed, clock=clock)
    with view:
        clock.now = elapsed
        for each in trials:
            view.watch(each)


def terminal() -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    return Console(file=file, force_terminal=True, color_system=None, width=100, height=40, _environ={}), file


def test_without_a_terminal_the_view_prints_one_line_per_ended_trial() -> None:
    file = io.StringIO()
    running = trial(7, State.running, 0.2, seconds=None)
    show(Console(file=file, width=40), running, trial(7, State.finished, 0.2, 0.3121))
    assert file.getvalue() == (
        "trial 7  finished  ap 0.312  gmacs 0.041  38 s   (1/24, best 0.312 by 7, about 23 min left)\n"
    )


def test_resumed_trials_do_not_count_for_the_remaining_time() -> None:
    file = io.StringIO()
    before = tuple(trial(n, State.finished, 0.4) for n in range(22))
    orphan = trial(22, State.running, 0.9)
    show(Console(file=file), trial(22, State.stopped, 0.1), resumed=(*before, orphan))
    assert "(23/24, best 0.400 by 0, about 60 s left)" in file.getvalue()


def test_running_trials_count_for_the_remaining_time() -> None:
    file = io.StringIO()
    half = trial(1, State.running, 0.1, 0.1, seconds=None)
    show(Console(file=file), half, trial(0, State.finished, 0.1), elapsed=3.0)
    assert "about 45 s left" in file.getvalue()


def test_reason_of_a_failed_trial_is_one_line_without_markup() -> None:
    file = io.StringIO()
    show(Console(file=file), trial(3, State.failed, error=HOSTILE))
    assert file.getvalue().startswith("trial 3  failed  RuntimeError: [bold]no[/bold] [/] such thing [2J  38 s   (1/24")
    assert file.getvalue().count("\n") == 1
    assert "\x1b" not in file.getvalue()


def test_terminal_shows_bars_the_best_trial_and_failures() -> None:
    console, file = terminal()
    view = LiveView(console, trials=24, steps=4, objectives=OBJECTIVES)
    with view:
        view.watch(trial(0, State.finished, 0.347))
        view.watch(trial(1, State.failed, error=HOSTILE))
        for number in range(2, 12):
            view.watch(trial(number, State.running, *[0.1] * (number - 2), seconds=None))
        assert view._live
        view._live.refresh()
        frame = file.getvalue()
    assert "2/24 trials  1 finished  1 failed" in frame
    assert "best so far: trial 0  ap 0.347  gmacs 0.041" in frame
    assert "trial 1 failed: RuntimeError: [bold]no[/bold] [/] such thing [2J" in frame
    assert "0/4  starting" in frame
    assert "1/4  ap 0.100" in frame
    assert "and 2 more" in frame
    assert "\x1b[2J" not in frame


def test_last_frame_has_no_bars() -> None:
    console, file = terminal()
    show(console, trial(0, State.finished, 0.347), trial(1, State.running, seconds=None))
    last = file.getvalue().rsplit("\x1b[2K", 1)[-1]
    assert "best so far: trial 0" in last
    assert "starting" not in last


def test_view_refreshes_four_times_a_second_and_not_per_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread of rich refreshes the view; here it records its interval and draws nothing."""
    waits: list[float] = []

    def run(thread: Any) -> None:
        waits.append(1 / thread.refresh_per_second)

    monkeypatch.setattr("rich.live._RefreshThread.run", run)
    console, file = terminal()
    with LiveView(console, trials=24, steps=4, objectives=OBJECTIVES) as view:
        for number in range(5000):
            view.watch(trial(number, State.finished, 0.1))
        assert file.getvalue().count("best so far") == 1
    assert file.getvalue().count("best so far") == 2
    assert waits == [0.25]


def test_interrupt_is_raised_and_restores_the_cursor() -> None:
    console, file = terminal()
    view = LiveView(console, trials=24, steps=4, objectives=OBJECTIVES)
    with pytest.raises(KeyboardInterrupt), view:
        raise KeyboardInterrupt
    assert file.getvalue().endswith("\x1b[?25h")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0 s"), (89, "89 s"), (180, "3 min"), (7800, "2 h 10 min"), (90 * 60, "1 h 30 min")]
)
def test_duration_is_formatted(seconds: float, text: str) -> None:
    assert duration(seconds) == text
