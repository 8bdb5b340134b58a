"""The leaderboard table and the JSON document of a search."""

import io
import json
from dataclasses import replace

from rich.console import Console

from nas.inspect.leaderboard import front_table, leaderboard, summary_document
from nas.search.types import Direction, Scores, State, Trial

OBJECTIVES: dict[str, Direction] = {"ap": "max", "gmacs": "min"}


def trial(number: int, state: State, scores: Scores, error: str | None = None) -> Trial:
    return Trial(number, state, f"{number:x}" * 32, {}, "{}", 0, (scores,) if scores else (), 38.0, error)


TRIALS = [
    trial(3, State.stopped, {"ap": 0.9, "gmacs": 0.1}),
    trial(0, State.finished, {"ap": 0.2, "gmacs": 0.1, "ap50": 0.4}),
    trial(1, State.failed, {"ap": 0.9, "gmacs": 0.1}, "OSError: [bold]no[/]"),
    trial(2, State.finished, {"ap": 0.3, "gmacs": 0.2, "ap50": 0.5}),
    trial(4, State.finished, {"ap": 0.1, "gmacs": 0.3}),
    trial(5, State.running, {}),
    trial(6, State.finished, {"ap": float("nan"), "gmacs": 0.1}),
]


def rows(trials: list[Trial], top: int = 10) -> list[list[str]]:
    file = io.StringIO()
    Console(file=file, width=100).print(leaderboard(trials, OBJECTIVES, top))
    return [line.split() for line in file.getvalue().splitlines()]


def test_leaderboard_lists_finished_trials_first_and_stars_the_front() -> None:
    head, *found = rows(TRIALS)
    assert head == ["rank", "trial", "state", "ap", "gmacs", "ap50", "time", "key"]
    assert found[:4] == [
        ["1", "★", "2", "finished", "0.300", "0.200", "0.500", "38", "s", "22222222"],
        ["2", "★", "0", "finished", "0.200", "0.100", "0.400", "38", "s", "00000000"],
        ["3", "4", "finished", "0.100", "0.300", "-", "38", "s", "44444444"],
        ["4", "3", "stopped", "0.900", "0.100", "-", "38", "s", "33333333"],
    ]
    assert " ".join(found[4]) == "7 trials: 1 running, 4 finished, 1 stopped, 1 failed"


def test_leaderboard_shows_the_top_trials() -> None:
    assert [row[0] for row in rows(TRIALS, top=2)[1:3]] == ["1", "2"]
    assert rows(TRIALS, top=2)[3][0] == "7"


def test_leaderboard_without_trials() -> None:
    assert rows([])[-1] == ["no", "trials"]
    nothing = {"objectives": OBJECTIVES, "rejected": 7, "trials": [], "best": None, "front": []}
    assert summary_document([], OBJECTIVES, rejected=7) == nothing


def test_front_table_lists_the_whole_front() -> None:
    file = io.StringIO()
    Console(file=file, width=100).print(front_table(TRIALS, OBJECTIVES))
    assert [line.split() for line in file.getvalue().splitlines()] == [
        ["trial", "ap", "gmacs", "key"],
        ["2", "0.300", "0.200", "22222222"],
        ["0", "0.200", "0.100", "00000000"],
    ]


def test_summary_document_is_strict_json() -> None:
    document = summary_document(TRIALS, OBJECTIVES)
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["best"] == 2
    assert document["front"] == [2, 0]
    assert [entry["number"] for entry in document["trials"]] == list(range(7))
    assert document["trials"][1] == {
        "number": 1,
        "state": "failed",
        "key": "1" * 32,
        "scores": {},
        "seconds": 38.0,
        "error": "OSError: [bold]no[/]",
        "attempts": 1,
    }
    assert document["trials"][6]["scores"] == {"ap": None, "gmacs": 0.1}


def test_restarted_trials_are_counted() -> None:
    again = [replace(TRIALS[1], attempts=2), *TRIALS[2:]]
    assert " ".join(rows(again)[-2]) == "6 trials: 1 running, 4 finished, 1 failed; 1 restarted"
