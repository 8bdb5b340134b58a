"""Optuna's samplers, under the strategies `tpe` and `nsga2`, and its storage."""

from importlib.util import find_spec
from typing import Any

from tests.contracts.canaries.canary import canary, found, source, takes

OPTUNA = "nas/search/strategies/optuna_samplers.py"


@canary(
    "optuna.samplers.TPESampler._gamma",
    OPTUNA,
    "function from the number of trials to that of good ones, read at each proposal",
)
def _() -> None:
    optuna = found("optuna")
    asked: list[int] = []
    sampler = optuna.samplers.TPESampler(seed=0, multivariate=True, n_startup_trials=1)
    assert hasattr(sampler, "_gamma")

    def gamma(known: int) -> int:
        asked.append(known)
        return 1

    sampler._gamma = gamma
    study = tpe_study(sampler)
    study.ask(space())
    assert asked == [3]


@canary("optuna.samplers.TPESampler.infer_relative_search_space", OPTUNA, "the returned space is sampled jointly")
def _() -> None:
    optuna = found("optuna")
    takes("optuna.samplers.TPESampler.infer_relative_search_space", "study", "trial")()
    sampled: list[object] = []

    class Sampler(optuna.samplers.TPESampler):  # type: ignore[misc,name-defined]
        def infer_relative_search_space(self, study: object, trial: object) -> Any:
            return space()

        def sample_relative(self, study: object, trial: object, search_space: object) -> Any:
            sampled.append(search_space)
            return super().sample_relative(study, trial, search_space)

    tpe_study(Sampler(seed=0, multivariate=True, n_startup_trials=1)).ask(space())
    assert sampled == [space()]


def space() -> dict[str, Any]:
    return {"x": found("optuna.distributions.CategoricalDistribution")(range(4))}


def tpe_study(sampler: Any) -> Any:
    optuna = found("optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=sampler)
    for value in range(3):
        study.add_trial(optuna.trial.create_trial(values=(float(value),), params={"x": value}, distributions=space()))
    return study


@canary(
    "optuna.samplers.NSGAIISampler: generations",
    OPTUNA,
    "`sample_relative` asks for a trial's generation and its parents; `select_parent` chooses from the previous one",
)
def _() -> None:
    optuna = found("optuna")
    asked: list[object] = []

    class Sampler(optuna.samplers.NSGAIISampler):  # type: ignore[misc,name-defined]
        def get_trial_generation(self, study: object, trial: object) -> int:
            asked.append("generation")
            return 1

        def get_population(self, study: object, generation: int) -> list[Any]:
            asked.append(("population", generation))
            return members

        def get_parent_population(self, study: object, generation: int) -> list[Any]:
            asked.append(("parents", generation))
            return []

    members = [optuna.trial.create_trial(values=(float(value),)) for value in range(3)]
    for number, member in enumerate(members):
        member.number = number
    sampler = Sampler(population_size=2, seed=0)
    study = optuna.create_study(directions=["maximize"])
    assert sorted(trial.number for trial in sampler.select_parent(study, 1)) == [1, 2]
    assert set(asked) == {("population", 0), ("parents", 0)}
    asked.clear()
    assert sampler.sample_relative(study, members[0], space()) == {}
    assert asked == ["generation", ("parents", 1)]


@canary("optuna.trial.FrozenTrial: setters", OPTUNA, "number, params and distributions are set after construction")
def _() -> None:
    trial = found("optuna.trial.create_trial")(values=(1.0,))
    trial.number, trial.params, trial.distributions = 3, {"x": 1}, space()
    assert (trial.number, trial.params, trial.distributions) == (3, {"x": 1}, space())


@canary("optuna: 'constraints'", "experiments/run/optuna_export.py", "Optuna's key of a trial's constraints")
def _() -> None:
    from experiments.run.optuna_export import CONSTRAINTS

    assert f'_CONSTRAINTS_KEY = "{CONSTRAINTS}"' in "".join(
        source(module)
        for module in ("optuna.samplers._base", "optuna.study._constrained_optimization")
        if find_spec(module)
    )
