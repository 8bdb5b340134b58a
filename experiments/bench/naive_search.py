"""Candidates ranked per hour, ours against the loop one would write today: `python -m experiments.bench.naive_search`.

Both train the same random members of the joint space on the same scenes, as many at once as there are cores: the loop
for as long as one would who knows no better, and for as little as a ranking found enough. At equal steps the ratio is
what the machinery saves, otherwise also what knowing a proxy does. With `--ranking DIRECTORY` the members are those
that `nas rank` ranked there, and how far each agrees with its reference is said as well.
"""

import argparse
import json
import math
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from experiments.bench.baselines import naive_loop
from experiments.rank.config import RankConfig
from experiments.rank.report import DOCUMENT, format_estimate
from experiments.run.presets import preset
from nas.data.open import open_data
from nas.search.runners.ray import RayRunner
from nas.training.recipe import Recipe
from proxies.pool import evaluate_all
from proxies.ranking.agreement import FloatArray, agreement
from proxies.ranking.loop import PROXY_SEEDS
from proxies.short_train import ShortTrain, ShortTrainConfig
from search_spaces.choose import sample
from search_spaces.genotype import Genotype
from search_spaces.joint import JointSpace


@dataclass(frozen=True)
class Candidates:
    """Genotypes, and what a ranking's reference gave each at its seeds, (N, R), where they were ranked."""

    genotypes: list[Genotype]
    reference: FloatArray | None = None

    def judge(self, scores: Sequence[float]) -> str:
        """What can be said of their AP."""
        best = f"best AP {np.nanmax(scores):.3f}"
        if self.reference is None:
            return best
        found = agreement(np.array(scores)[:, None], self.reference)
        tau, half = format_estimate(found.tau), format_estimate(found.tau_better_half)
        return f"{best}, tau {tau}, better half {half}, top 5 {found.top5_recall}"


def drawn(count: int) -> Candidates:
    return Candidates([sample(JointSpace(), random.Random(seed)).value for seed in range(count)])


def ranked(folder: Path) -> Candidates:
    """The candidates of a finished ranking."""
    report = json.loads((folder / DOCUMENT).read_text())
    config = RankConfig.model_validate(report["config"])
    genotypes = [member.value for member in config.drawn()]
    if [genotype.key() for genotype in genotypes] != report["candidates"]:
        raise SystemExit(f"{folder}: its candidates are not those that its configuration draws here")
    return Candidates(genotypes, np.array(report["settings"][0]["scores"], np.float64))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candidates", type=int, default=8)
    parser.add_argument("--enough", type=int, default=80, help="steps that are enough, by a ranking")
    parser.add_argument("--batch", type=int, default=4, help="images of such a step")
    parser.add_argument("--ranking", type=Path, help="of nas rank, on digits")
    parser.add_argument("--gpus", type=float, default=0.0, help="of a trial, a fraction of one as well")
    asked = parser.parse_args()
    search = preset("digits")
    searched = search.proxy
    recipe = Recipe(batch_size=16, learning_rate=0.004, flip=False)
    usual = ShortTrainConfig(scale=replace(searched.scale, head_depth=4), steps=320, rungs=1, recipe=recipe)
    small = searched.recipe.model_copy(update={"batch_size": asked.batch})
    enough = searched.model_copy(update={"steps": asked.enough, "rungs": 1, "recipe": small})
    train, val = open_data("digits", search.digits)
    candidates = ranked(asked.ranking) if asked.ranking else drawn(asked.candidates)
    count = len(candidates.genotypes)

    device = "cuda" if asked.gpus else "cpu"

    loops: dict[ShortTrainConfig, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        paths = Path(folder) / "train", Path(folder) / "val"
        for split, path in zip((train, val), paths, strict=True):
            naive_loop.export(split, path)
        for config in (usual, enough):
            start = time.perf_counter()
            found = naive_loop.run(candidates.genotypes, *paths, config, train.num_classes, gpus=asked.gpus)
            loops[config] = (time.perf_counter() - start) / count
            verdict = candidates.judge([m["ap"] for m in found])
            print(f"the loop, {told_speed(config, loops[config])}; {verdict}")
            spent = {name: statistics.fmean(m[name] for m in found) for name in naive_loop.METRICS[1:]}
            print("of which, a trial: " + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in spent.items()))

    for config in (enough,) if asked.ranking else (usual, searched, enough):
        start = time.perf_counter()
        proxy = ShortTrain.prepare(config, (train, val))
        runner = RayRunner(steps=config.rungs, gpus_per_trial=asked.gpus)
        reports = evaluate_all(proxy, candidates.genotypes, runner=runner, seed=PROXY_SEEDS, device=device)
        taken = (time.perf_counter() - start) / count
        verdict = candidates.judge([r.scores["ap"] if r.scores else math.nan for r in reports])
        against = ", ".join(f"{seconds / taken:.2f} times the loop's {c.steps} steps" for c, seconds in loops.items())
        print(f"ours, {told_speed(config, taken)}; {verdict}; {against}")


def told_speed(config: ShortTrainConfig, seconds: float) -> str:
    batch = config.recipe.batch_size
    return f"{config.steps} steps of {batch}: {seconds:.1f} s a candidate, {3600 / seconds:.0f} an hour"


if __name__ == "__main__":
    main()
