"""Properties that are specific to one published strategy."""

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.samplers._tpe import sampler

from nas.search.objectives import pareto_front
from nas.search.strategies import Task, strategy_config
from nas.search.strategies.config import ControllerConfig
from nas.search.strategies.optuna_samplers import BEST, LATEST, Tpe
from nas.search.types import Candidate, Direction, State, Strategy, Trial
from tests.unit.search.toys import OBJECTIVES, DigitSpace

SPACE = DigitSpace(length=4, base=4)


def build(name: str, objectives: Mapping[str, Direction] = OBJECTIVES, space: DigitSpace = SPACE) -> Strategy:
    return strategy_config(name).build(Task(space, objectives, seed=0))


def digits(candidate: Candidate) -> list[int]:
    return [int(digit) for digit in candidate.key]


def tell(strategy: Strategy, candidate: Candidate, *scores: float, number: int = 0) -> Trial:
    named = dict(zip(("ap", "gmacs"), scores, strict=False))
    trial = Trial(number, State.finished, candidate.key, candidate.trace, "{}", 0, (named,))
    strategy.tell(trial)
    return trial


def apart(first: Candidate, second: Candidate) -> int:
    return sum(a != b for a, b in zip(first.key, second.key, strict=True))


def test_local_search_moves_to_the_first_better_neighbour_and_restarts_at_a_local_optimum() -> None:
    strategy = build("local")
    centre = strategy.ask()
    tell(strategy, centre, 0.0)
    for _ in range(5):
        worse = strategy.ask()
        assert apart(worse, centre) == 1
        tell(strategy, worse, -1.0)
    better = strategy.ask()
    tell(strategy, better, 1.0)
    around = [strategy.ask()]
    for _ in range(11):  # the old centre is a neighbour too: it was proposed in the earlier climb
        tell(strategy, around[-1], 0.5)
        around.append(strategy.ask())
    assert all(apart(candidate, better) == 1 for candidate in around)
    assert len({candidate.key for candidate in around}) == 12
    tell(strategy, around[-1], 0.5)
    restart = strategy.ask()
    tell(strategy, restart, -5.0)
    assert apart(strategy.ask(), restart) == 1, "a climb starts at any candidate, even a worse one"


def test_local_search_proposes_a_different_neighbour_to_each_worker() -> None:
    strategy = build("local")
    centre = strategy.ask()
    tell(strategy, centre, 0.0)
    around = [strategy.ask() for _ in range(12)]
    assert len({candidate.key for candidate in around}) == 12
    assert all(apart(candidate, centre) == 1 for candidate in around)
    strategy.ask()  # all neighbours are proposed: the thirteenth is random
    tell(strategy, around[7], 1.0)
    assert apart(strategy.ask(), around[7]) == 1


@pytest.mark.parametrize("lost", [1, 4])
def test_local_search_restarts_although_some_proposals_were_never_told(lost: int) -> None:
    """These proposals were rejected, or their trials never end."""
    strategy = build("local")
    centre = strategy.ask()
    tell(strategy, centre, 0.0)
    for number in range(12):
        worse = strategy.ask()
        assert apart(worse, centre) == 1
        if number >= lost:
            tell(strategy, worse, -1.0)
    restart = strategy.ask()
    tell(strategy, restart, -5.0)
    assert apart(strategy.ask(), restart) == 1


def test_local_search_does_not_start_a_climb_at_a_late_neighbour() -> None:
    strategy = build("local")
    centre = strategy.ask()
    tell(strategy, centre, 0.0)
    *around, late = [strategy.ask() for _ in range(12)]
    for worse in around:
        tell(strategy, worse, -1.0)
    restart = strategy.ask()
    tell(strategy, late, -1.0)
    tell(strategy, restart, -5.0)
    assert apart(strategy.ask(), restart) == 1


def test_tpe_proposes_the_same_as_optuna() -> None:
    """An Optuna study of the same trials with a sampler of the same seed."""
    strategy = Tpe(SPACE, OBJECTIVES, seed=3)
    study = optuna.create_study(direction="maximize")
    for _ in range(40):
        seed = strategy._rng.seed, strategy._rng.asked
        candidate = strategy.ask()
        study.sampler = optuna.samplers.TPESampler(seed=draw(seed), multivariate=True, constant_liar=False)
        trial = study.ask()
        assert [trial.suggest_categorical(f"d{i}", range(4)) for i in range(4)] == digits(candidate)
        score = float(sum(digits(candidate)))
        study.tell(trial, score)
        tell(strategy, candidate, score)


def draw(turn: tuple[int, int]) -> int:
    return random.Random(f"{turn[0]}/{turn[1]}").getrandbits(32)


def test_tpe_remembers_the_best_and_the_latest_trials() -> None:
    space = DigitSpace(length=6, base=6)
    strategy = Tpe(space, OBJECTIVES, seed=0)
    drawn = build("random", space=space)
    scores = np.random.default_rng(0).permutation(1000)
    for score in scores:
        tell(strategy, drawn.ask(), float(score))
    strategy.ask()
    known = [trial.value for trial in strategy._study.get_trials(deepcopy=False) if trial.value is not None]
    assert BEST + LATEST <= len(known) < BEST + 2 * LATEST
    assert set(range(1000 - BEST, 1000)) <= {*map(int, known)}
    assert known[-LATEST:] == [*map(float, scores[-LATEST:])]


@pytest.mark.parametrize("told", [15, 149, 150, 200, 400])
def test_tpe_counts_as_many_good_trials_as_optuna(told: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forgotten trials are counted too."""
    good, split = [], sampler._split_trials

    def counting(study: Any, trials: Any, count: int, *others: Any) -> Any:
        good.append(count)
        return split(study, trials, count, *others)

    monkeypatch.setattr(sampler, "_split_trials", counting)
    strategy, drawn = Tpe(SPACE, OBJECTIVES, seed=0), build("random")
    for score in range(told):
        tell(strategy, drawn.ask(), float(score))
    strategy.ask()
    assert good == [sampler.default_gamma(told)]


def test_nsga2_widens_the_front_of_all_objectives() -> None:
    """AP is the sum of the first six digits; the cost is the sum of the others plus half of AP."""
    objectives: Mapping[str, Direction] = {"ap": "max", "gmacs": "min"}
    space = DigitSpace(length=12, base=4)

    def front(name: str) -> set[tuple[float, ...]]:
        strategy = build(name, objectives, space)
        told = []
        for number in range(500):
            candidate = strategy.ask()
            gain, rest = sum(digits(candidate)[:6]), sum(digits(candidate)[6:])
            told.append(tell(strategy, candidate, float(gain), rest + gain / 2, number=number))
        found = [told[n].reports[0] for n in pareto_front(told, objectives)]
        return {(scores["ap"], -scores["gmacs"]) for scores in found}

    ours = hypervolume(front("nsga2"))
    assert ours > 1.05 * hypervolume(front("random"))
    assert ours > hypervolume(front("tpe")), "TPE optimises only the first objective"


def hypervolume(front: set[tuple[float, ...]]) -> float:
    """Area between a front of two maximised objectives and the worst point, (0, -27)."""
    area, reached = 0.0, 0.0
    for gain, cost in sorted(front, key=lambda point: -point[1]):
        area += max(0.0, gain - reached) * (cost + 27)
        reached = max(reached, gain)
    return area


def test_nsga2_begins_with_a_random_population_and_then_crosses() -> None:
    config = strategy_config("nsga2", population=50)
    strategy = config.build(Task(SPACE, OBJECTIVES, seed=0))
    first = [strategy.ask() for _ in range(50)]
    assert len({candidate.key for candidate in first}) > 25
    for candidate in first:
        tell(strategy, candidate, float(sum(digits(candidate))))
    children = [strategy.ask() for _ in range(50)]
    assert np.mean([digits(c) for c in children]) == pytest.approx(np.mean([digits(c) for c in first]), abs=0.35)


def test_the_controller_learns_the_rewarded_choice() -> None:
    strategy = build("controller")
    asked = []
    for _ in range(120):
        asked.append(strategy.ask())
        tell(strategy, asked[-1], float(digits(asked[-1])[-1] == 2))
    early, late = ([digits(candidate)[-1] for candidate in part] for part in (asked[:8], asked[-40:]))
    assert early.count(2) < 5
    assert late.count(2) > 32


def test_the_controller_updates_only_after_whole_batches() -> None:
    strategies: list[Any] = [ControllerConfig(batch=4).build(Task(SPACE, OBJECTIVES, seed=0)) for _ in range(2)]
    asked = [strategies[0].ask() for _ in range(8)]
    for number, candidate in enumerate(asked):
        tell(strategies[0], candidate, float(number % 3))
    before = dict(strategies[0]._policy.state_dict())
    tell(strategies[0], asked[0], 5.0)
    assert all((before[name] == weight).all() for name, weight in strategies[0]._policy.state_dict().items())


def test_the_controller_trains_with_the_probabilities_of_its_decisions() -> None:
    """The controller samples one decision at a time and trains on whole traces of different lengths."""
    strategy: Any = ControllerConfig(batch=4).build(Task(SPACE, OBJECTIVES, seed=0))
    for _ in range(80):
        candidate = strategy.ask()
        tell(strategy, candidate, float(digits(candidate)[-1] == 2))
    policy, probabilities = strategy._policy, []

    class Recorder(random.Random):
        def choices(self, population: Any, weights: Any = None, **kwargs: Any) -> list[Any]:
            number = super().choices(population, weights, **kwargs)[0]
            probabilities.append(weights[number] / sum(weights))
            return [number]

    taken = []
    for length in (4, 3):
        policy.begin()
        rng = Recorder(length)
        taken.append([(name, policy.decide(name, 4, rng)) for name in [*policy.rows][:length]])
    logs, _ = policy(*policy.indices(taken))
    assert max(probabilities) > 2 * min(probabilities)
    np.testing.assert_allclose(logs.detach().exp().numpy().flatten(), [*probabilities, 1.0], rtol=1e-5)
