"""How well predictors rank members that they have not seen: `python -m experiments.bench.predictors RUN`.

RUN is of a search by `--strategy.name random --scheduler.method none`, of some 200 trials. Of these some teach, drawn
anew in each round, and the others are ranked: Kendall's tau-b, and among how many per cent of the best the one lies
that is held to be the best, both the mean over rounds.
"""

import argparse
import random
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from experiments.run.config import SearchConfig
from experiments.run.directory import RunDirectory
from experiments.run.judge import objectives
from nas.search.ranking import objective_vector
from nas.search.strategies.trace_process import TraceProcess
from nas.search.types import Candidate, Predictor
from proxies.predictor.ensemble import Ensemble
from proxies.predictor.features import proposal_features
from proxies.ranking.agreement import kendall_tau
from search_spaces.choose import replay
from search_spaces.registry import find_space

PREDICTORS: Mapping[str, Callable[[], Predictor]] = {
    "process over traces": TraceProcess,
    "ensemble over the graph": lambda: Ensemble(proposal_features),
}
LESSONS = (8, 16, 32, 64, 128)
FEWEST_UNSEEN = 40
ROUNDS = 12


def measure(make: Callable[[], Predictor], members: list[Candidate], scores: list[float], lesson: int) -> str:
    taus, places = [], []
    for seed in range(ROUNDS):
        order = random.Random(seed).sample(range(len(members)), len(members))
        seen, unseen = order[:lesson], order[lesson:]
        predictor = make()
        predictor.fit([members[i] for i in seen], [scores[i] for i in seen], seed=seed)
        predicted, _ = predictor.predict([members[i] for i in unseen])
        truth = np.array([scores[i] for i in unseen])
        taus.append(float(kendall_tau(predicted, truth)))
        places.append(float((truth >= truth[predicted.argmax()]).mean()))
    return f"{np.mean(taus):.2f} | {np.mean(places):.0%}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    run = RunDirectory.open(parser.parse_args().run, SearchConfig)
    space = find_space(run.config().space)
    judged = [(trial, objective_vector(trial, objectives(run))) for trial in run.store().trials()]
    members = [Candidate(t.trace, t.key, replay(space, t.trace)) for t, score in judged if score is not None]
    scores = [score[0] for _, score in judged if score is not None]
    print(f"{len(members)} trials with scores\n")
    print("| predictor | learned from | tau | its best among the best |\n|---|---|---|---|")
    for lesson in (n for n in LESSONS if n <= len(members) - FEWEST_UNSEEN):
        for name, make in PREDICTORS.items():
            print(f"| {name} | {lesson} | {measure(make, members, scores, lesson)} |", flush=True)


if __name__ == "__main__":
    main()
