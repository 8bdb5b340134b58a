"""How well score predictors rank held-out members: `python -m experiments.bench.predictors RUN`.

RUN is a search with `--strategy.name random --scheduler.method none` and some 200 trials. In each round a random
training set is drawn, and the other trials are ranked: Kendall's tau-b, and the true rank, in per cent, of the member
predicted to be the best, both averaged over rounds.
"""

import random
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from scipy.stats import kendalltau
from tyro.conf import Positional

from experiments.commands.arguments import run
from experiments.run.config import SearchConfig
from experiments.run.directory import RunDirectory
from experiments.run.judge import objectives
from nas.search.objectives import objective_vector
from nas.search.strategies.trace_process import TraceProcess
from nas.search.types import Candidate, Predictor
from proxies.predictor.ensemble import Ensemble
from proxies.predictor.features import proposal_features
from search_spaces.choose import replay
from search_spaces.registry import find_space

PREDICTORS: Mapping[str, Callable[[], Predictor]] = {
    "process over traces": TraceProcess,
    "ensemble over the graph": lambda: Ensemble(proposal_features),
}
TRAINING_SIZES = (8, 16, 32, 64, 128)
FEWEST_HELD_OUT = 40
ROUNDS = 12


def measure(make: Callable[[], Predictor], members: list[Candidate], scores: list[float], size: int) -> str:
    taus, places = [], []
    for seed in range(ROUNDS):
        order = random.Random(seed).sample(range(len(members)), len(members))
        seen, unseen = order[:size], order[size:]
        predictor = make()
        predictor.fit([members[i] for i in seen], [scores[i] for i in seen], seed=seed)
        predicted, _ = predictor.predict([members[i] for i in unseen])
        truth = np.array([scores[i] for i in unseen])
        taus.append(float(kendalltau(predicted, truth).statistic))
        places.append(float((truth >= truth[predicted.argmax()]).mean()))
    return f"{np.mean(taus):.2f} | {np.mean(places):.0%}"


def main(run: Positional[Path]) -> None:
    """Print a table row per size of the training set and predictor.

    Args:
        run: directory of the search.
    """
    searched = RunDirectory.open(run, SearchConfig)
    space = find_space(searched.config.space)
    judged = [(trial, objective_vector(trial, objectives(searched))) for trial in searched.store().trials()]
    members = [Candidate(t.trace, t.key, replay(space, t.trace)) for t, score in judged if score is not None]
    scores = [score[0] for _, score in judged if score is not None]
    print(f"{len(members)} trials with scores\n")
    print("| predictor | training set | tau | true rank of its best |\n|---|---|---|---|")
    for size in (n for n in TRAINING_SIZES if n <= len(members) - FEWEST_HELD_OUT):
        for name, make in PREDICTORS.items():
            print(f"| {name} | {size} | {measure(make, members, scores, size)} |", flush=True)


if __name__ == "__main__":
    run(main, __doc__)
