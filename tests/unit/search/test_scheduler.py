"""Trials that a scheduler stops at a rung, by one objective or several."""

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
    """(trial, step) pairs in the order of six workers' reports."""
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
def test_decisions_equal_ray_s(method: str, direction: Direction, grace: int, reduction: float, steps: int) -> None:
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
            theirs._trial_info[number] = theirs._brackets[ours.bracket(number)]  # Ray draws the bracket
        if number in stopped:
            continue
        reports[number].append({"loss": rng.choice([rng.random(), rng.randrange(4) / 4])})
        stops = ours.stops(trial(number, *reports[number]))
        result = {"training_iteration": step} | reports[number][-1]
        decision = theirs.on_trial_result(None, SimpleNamespace(trial_id=number), result)
        # Ray also stops a trial at its last step
        assert stops == (decision == "STOP" and step < steps), (number, step)
        if stops:
            stopped.add(number)
    assert 20 < len(stopped) < 120


@pytest.mark.parametrize("method", ["asha", "hyperband", "none"])
@pytest.mark.parametrize("objectives", [AP, BOTH], ids=["one", "two"])
def test_a_scheduler_rebuilt_from_a_store_decides_the_same(method: str, objectives: Mapping[str, Direction]) -> None:
    """The order of the remembered trials does not matter."""
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
    assert [first[bracket] for bracket in range(3)] == pytest.approx([18, 9, 6], abs=2), "shares hold early on"


def test_a_trial_of_the_last_bracket_is_never_stopped() -> None:
    halving = SuccessiveHalving(SchedulerConfig(method="hyperband"), AP, steps=4)
    last = next(number for number in range(100) if halving.bracket(number) == 2)
    for number in range(100, 200):
        halving.remember(trial(number, *[{"ap": 1.0}] * 4))
    assert not any(halving.stops(trial(last, *[{"ap": 0.0}] * step)) for step in range(1, 5))


def test_several_objectives_admit_front_by_front() -> None:
    """A third of nine trials is three: the front of two, and the least crowded trial of the next front."""
    rung = build_rung(2, 3.0)
    for values in [(0.9, -0.9), (0.1, -0.1), (0.8, -1.0), (0.45, -0.55), (0.09, -0.2), (0.1, -1.0), (0.0, -1.0)]:
        rung.add(values)
    rung.add((0.0, -2.0))
    assert rung.admits((0.5, -0.5)), "on the front"
    assert rung.admits((1.0, -5.0)), "best in one objective"
    assert not rung.admits((0.0, -3.0)), "worst in both objectives"
    assert not rung.admits((0.05, -1.0)), "behind a front that fills the rung"


def test_a_front_too_large_for_the_rung_keeps_its_least_crowded_trials() -> None:
    rung = build_rung(2, 2.0)
    for values in [(10.0, 0.0), (0.0, 1.0), (9.9, 0.01), (9.8, 0.02), (9.7, 0.03)]:
        rung.add(values)
    assert rung.admits((5.0, 0.5)), "alone between the ends"
    assert not rung.admits((9.75, 0.025)), "crowded"
    assert rung.admits((10.0, 0.0)), "equal to the best trial"


@pytest.mark.parametrize("objectives", [2, 3])
def test_incremental_fronts_equal_a_full_sort(objectives: int) -> None:
    rng = random.Random(4)
    points = [tuple(float(rng.randrange(12)) for _ in range(objectives)) for _ in range(150)]
    rung = build_rung(objectives, 2.0)
    for number, point in enumerate(points):
        rung.add(point)
        if number > 70:  # the first 71 points are sorted at once, the others one by one
            rung.admits(point)
    left, fronts = sorted(points), []
    while left:
        front = [p for p in left if not any(q != p and all(map(float.__ge__, q, p)) for q in left)]
        left = [p for p in left if p not in front]
        fronts.append(front)
    assert [sorted(front) for front in rung._fronts] == fronts  # type: ignore[attr-defined]


def test_a_trial_without_a_finite_score_is_neither_counted_nor_stopped() -> None:
    halving = SuccessiveHalving(SchedulerConfig(reduction=2.0), AP, steps=4)
    assert not halving.stops(trial(0, {"ap": float("nan")}))
    assert not halving.stops(trial(1))
    assert not halving.stops(trial(2, {"ap": 0.0})), "the first trial that counts"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "sha"}, "'asha', 'hyperband' or 'none'"),
        ({"grace": 0}, "greater than 0"),
        ({"reduction": 1.0}, "greater than or equal to 1.5"),
    ],
)
def test_invalid_settings_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SchedulerConfig.model_validate(settings)
