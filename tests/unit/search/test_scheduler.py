"""Who is given up at a rung, by one objective and by several."""

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import SimpleNamespace

import pytest

from nas.search.halving.rungs import build_rung
from nas.search.halving.scheduler import SchedulerConfig, SuccessiveHalving
from nas.search.types import Direction, Scores, State, Trial

AP: Mapping[str, Direction] = {"ap": "max"}
BOTH: Mapping[str, Direction] = {"ap": "max", "gmacs": "min"}


def trial(number: int, *reports: Scores, state: State = State.running) -> Trial:
    return Trial(number, state, str(number), {}, "{}", 0, reports)


def interleaved(trials: int, steps: int, rng: random.Random) -> Iterator[tuple[int, int]]:
    """(trial, step) as six workers report."""
    waiting, running = list(range(trials)), dict[int, int]()
    while waiting or running:
        while waiting and len(running) < 6:
            running[waiting.pop(0)] = 0
        number = rng.choice(list(running))
        running[number] += 1
        yield number, running[number]
        if running[number] == steps:
            del running[number]


@pytest.mark.parametrize(("grace", "reduction", "steps"), [(1, 3.0, 4), (1, 2.0, 16), (2, 3.0, 20), (1, 1.5, 12)])
@pytest.mark.parametrize("direction", ["max", "min"])
@pytest.mark.parametrize("method", ["asha", "hyperband"])
def test_decides_as_ray_does(method: str, direction: Direction, grace: int, reduction: float, steps: int) -> None:
    """Every decision on random sequences, coarse scores among them, equals that of Ray Tune's ASHAScheduler."""
    from ray import tune

    import nas.search.runners.ray  # noqa: F401 - before Ray itself, as in a search

    config = SchedulerConfig(method=method, grace=grace, reduction=reduction)
    ours = SuccessiveHalving(config, {"loss": direction}, steps)
    theirs = tune.schedulers.ASHAScheduler(
        metric="loss",
        mode=direction,
        max_t=steps,
        grace_period=grace,
        reduction_factor=reduction,
        brackets=len(config.brackets(steps)),
    )
    rng = random.Random(f"{method}/{reduction}/{steps}")
    reports: dict[int, list[Scores]] = {}
    stopped: set[int] = set()
    for number, step in interleaved(120, steps, rng):
        if step == 1:
            reports[number] = []
            theirs.on_trial_add(None, SimpleNamespace(trial_id=number))
            theirs._trial_info[number] = theirs._brackets[ours.bracket(number)]  # Ray draws it
        if number in stopped:
            continue
        reports[number].append({"loss": rng.choice([rng.random(), rng.randrange(4) / 4])})
        stops = ours.stops(trial(number, *reports[number]))
        result = {"training_iteration": step} | reports[number][-1]
        decision = theirs.on_trial_result(None, SimpleNamespace(trial_id=number), result)
        # Ray ends a trial by stopping it
        assert stops == (decision == "STOP" and step < steps), (number, step)
        if stops:
            stopped.add(number)
    assert 20 < len(stopped) < 120


@pytest.mark.parametrize("method", ["asha", "hyperband", "none"])
@pytest.mark.parametrize("objectives", [AP, BOTH], ids=["one", "two"])
def test_rebuilt_from_a_store_it_decides_the_same(method: str, objectives: Mapping[str, Direction]) -> None:
    """From any moment on, whatever the order in which trials are remembered."""
    config, rng = SchedulerConfig(method=method, reduction=2.0), random.Random(2)
    past = [
        trial(n, *({"ap": rng.randrange(9) / 9, "gmacs": rng.randrange(9) / 9} for _ in range(rng.randint(1, 8))))
        for n in range(60)
    ]
    unbroken = SuccessiveHalving(config, objectives, steps=8)
    for one in past:
        for step in range(1, len(one.reports) + 1):
            unbroken.stops(replace(one, reports=one.reports[:step]))
    rebuilt = SuccessiveHalving(config, objectives, steps=8)
    for one in [*rng.sample(past, len(past)), *past]:
        rebuilt.remember(replace(one, state=State.stopped))
    for number in range(60, 160):
        fresh = trial(number, *({"ap": rng.random(), "gmacs": rng.random()} for _ in range(8)))
        for step in range(1, 9):
            shown = replace(fresh, reports=fresh.reports[:step])
            assert rebuilt.stops(shown) == unbroken.stops(shown)


def test_hyperband_gives_each_bracket_its_share() -> None:
    """Li et al. 2018, Algorithm 1 with R = 9, eta = 3: brackets of 9, 5 (4.5) and 3 trials."""
    config = SchedulerConfig(method="hyperband")
    assert config.brackets(9) == [(1, 3), (3,), ()]
    halving = SuccessiveHalving(config, AP, steps=9)
    counts = Counter(halving.bracket(number) for number in range(1650))
    assert [counts[bracket] for bracket in range(3)] == pytest.approx([900, 450, 300], abs=3)
    first = Counter(halving.bracket(number) for number in range(33))
    assert [first[bracket] for bracket in range(3)] == pytest.approx([18, 9, 6], abs=2), "shares hold from the start"


def test_a_trial_of_the_last_bracket_is_never_given_up() -> None:
    halving = SuccessiveHalving(SchedulerConfig(method="hyperband"), AP, steps=4)
    spared = next(number for number in range(100) if halving.bracket(number) == 2)
    for number in range(100, 200):
        halving.remember(trial(number, *[{"ap": 1.0}] * 4))
    assert not any(halving.stops(trial(spared, *[{"ap": 0.0}] * step)) for step in range(1, 5))


def test_several_objectives_admit_the_fronts_one_after_another() -> None:
    """Of eight trials and one more, a third is three: the front of two, and who is farthest apart of the next."""
    rung = build_rung(2, 3.0)
    for values in [(0.9, -0.9), (0.1, -0.1), (0.8, -1.0), (0.45, -0.55), (0.09, -0.2), (0.1, -1.0), (0.0, -1.0)]:
        rung.add(values)
    rung.add((0.0, -2.0))
    assert rung.admits((0.5, -0.5)), "on the front"
    assert rung.admits((1.0, -5.0)), "best in one"
    assert not rung.admits((0.0, -3.0)), "worst in both"
    assert not rung.admits((0.05, -1.0)), "behind a front that leaves no room"


def test_a_front_without_room_for_all_keeps_those_that_lie_apart() -> None:
    rung = build_rung(2, 2.0)
    for values in [(10.0, 0.0), (0.0, 1.0), (9.9, 0.01), (9.8, 0.02), (9.7, 0.03)]:
        rung.add(values)
    assert rung.admits((5.0, 0.5)), "between the ends, units apart"
    assert not rung.admits((9.75, 0.025)), "in the crowd"
    assert rung.admits((10.0, 0.0)), "equal to the best"


@pytest.mark.parametrize("objectives", [2, 3])
def test_fronts_kept_as_trials_come_are_those_of_sorting_afresh(objectives: int) -> None:
    rng = random.Random(4)
    points = [tuple(float(rng.randrange(12)) for _ in range(objectives)) for _ in range(150)]
    rung = build_rung(objectives, 2.0)
    for number, point in enumerate(points):
        rung.add(point)
        if number > 70:  # one by one, after a heap at once
            rung.admits(point)
    left, fronts = sorted(points), []
    while left:
        front = [p for p in left if not any(q != p and all(map(float.__ge__, q, p)) for q in left)]
        left = [p for p in left if p not in front]
        fronts.append(front)
    assert [sorted(front) for front in rung._fronts] == fronts  # type: ignore[attr-defined]


def test_what_has_no_finite_score_neither_counts_nor_is_given_up() -> None:
    halving = SuccessiveHalving(SchedulerConfig(reduction=2.0), AP, steps=4)
    assert not halving.stops(trial(0, {"ap": float("nan")}))
    assert not halving.stops(trial(1))
    assert not halving.stops(trial(2, {"ap": 0.0})), "the first that counts"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "sha"}, "'asha', 'hyperband' or 'none'"),
        ({"grace": 0}, "greater than 0"),
        ({"reduction": 1.0}, "greater than or equal to 1.5"),
    ],
)
def test_refuses_settings_that_make_no_sense(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SchedulerConfig.model_validate(settings)
