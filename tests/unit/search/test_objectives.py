"""Best trials and Pareto fronts."""

from hypothesis import given
from hypothesis import strategies as st

from nas.search.objectives import best, pareto_front
from nas.search.types import Direction, State, Trial

BOTH: dict[str, Direction] = {"ap": "max", "gmacs": "min"}


def trial(number: int, ap: float, gmacs: float = 1.0, state: State = State.finished) -> Trial:
    return Trial(number, state, str(number), {}, "{}", 0, ({"ap": ap, "gmacs": gmacs},))


def test_the_first_of_equal_trials_is_best() -> None:
    found = best([trial(0, 0.1), trial(1, 0.3), trial(2, 0.3), trial(3, float("nan"))], BOTH)
    assert found is not None
    assert found.number == 1


def test_best_of_a_minimised_objective() -> None:
    found = best([trial(0, 0.1), trial(1, 0.3)], {"ap": "min"})
    assert found is not None
    assert found.number == 0


def test_stopped_trials_count_only_if_none_finished() -> None:
    stopped = [trial(0, 0.9, state=State.stopped), trial(1, 0.8, state=State.stopped)]
    assert pareto_front(stopped, BOTH) == [0]
    assert pareto_front([*stopped, trial(2, 0.1)], BOTH) == [2]


def test_failed_running_and_unscored_trials_are_not_ranked() -> None:
    unscored = Trial(2, State.finished, "2", {}, "{}", 0)
    trials = [trial(0, 0.9, state=State.failed), trial(1, 0.9, state=State.running), unscored]
    assert best(trials, BOTH) is None
    assert pareto_front(trials, BOTH) == []


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=30))
def test_the_front_holds_the_nondominated_trials(points: list[tuple[int, int]]) -> None:
    trials = [trial(n, ap, gmacs) for n, (ap, gmacs) in enumerate(points)]
    undominated = {
        n
        for n, (ap, gmacs) in enumerate(points)
        if not any(a >= ap and g <= gmacs and (a, g) != (ap, gmacs) for a, g in points)
    }
    assert set(pareto_front(trials, BOTH)) == undominated
