"""Candidates scored per hour, against a plain loop of library parts: `python -m experiments.bench.naive_search`.

Both train the same random members of the joint space on the same scenes, a trial per core: the loop at usual settings,
and at the fewest steps that a ranking found sufficient. At equal steps the ratio is the gain of the implementation,
otherwise that of the calibrated proxy as well. With `--ranking DIRECTORY` the members are the candidates of that `nas
rank`, and the agreement with its reference is printed as well.
"""

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
from experiments.commands.arguments import run
from experiments.rank.config import RankConfig
from experiments.rank.report import DOCUMENT, format_estimate
from experiments.run.presets import preset, short_training
from nas.data.open import open_data
from nas.search.runners.ray import RayRunner
from nas.training.recipe import Recipe
from proxies.config import ShortTrainConfig
from proxies.pool import evaluate_all
from proxies.ranking.agreement import FloatArray, agreement
from proxies.ranking.plan import PROXY_SEEDS
from proxies.short_train import ShortTrain
from search_spaces.choose import sample
from search_spaces.genotype import Genotype
from search_spaces.joint import JointSpace


@dataclass(frozen=True)
class Candidates:
    """Genotypes, and a ranking's reference scores at R seeds, (N, R), if they come from a ranking."""

    genotypes: list[Genotype]
    reference: FloatArray | None = None

    def summary(self, scores: Sequence[float]) -> str:
        """The best AP, and the agreement with the reference if there is one."""
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
        raise SystemExit(
            f"{folder}: its configuration draws other candidates than its report has: use the release that ranked them"
        )
    return Candidates(genotypes, np.array(report["settings"][0]["scores"], np.float64))


def main(
    *, candidates: int = 8, enough: int = 80, batch: int = 4, ranking: Path | None = None, gpus: float = 0.0
) -> None:
    """Print the speed of the loop and of ours, the best AP, and the agreement with a ranking.

    Args:
        candidates: number of random members, without a ranking.
        enough: number of steps that a ranking found sufficient.
        batch: batch size of those steps.
        ranking: directory of a finished nas rank on digits.
        gpus: GPUs per trial, may be a fraction.
    """
    search = preset("digits")
    searched = short_training("digits")
    recipe = Recipe(batch_size=16, learning_rate=0.004, flip=False)
    usual = ShortTrainConfig(scale=replace(searched.scale, head_depth=4), steps=320, rungs=1, recipe=recipe)
    small = searched.recipe.model_copy(update={"batch_size": batch})
    calibrated = searched.model_copy(update={"steps": enough, "rungs": 1, "recipe": small})
    train, val = open_data("digits", search.digits)
    members = ranked(ranking) if ranking else drawn(candidates)
    count = len(members.genotypes)
    device = "cuda" if gpus else "cpu"

    loops: dict[ShortTrainConfig, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        paths = Path(folder) / "train", Path(folder) / "val"
        for split, path in zip((train, val), paths, strict=True):
            naive_loop.export(split, path)
        for config in (usual, calibrated):
            start = time.perf_counter()
            found = naive_loop.run(members.genotypes, *paths, config, train.num_classes, gpus=gpus)
            loops[config] = (time.perf_counter() - start) / count
            summary = members.summary([m["ap"] for m in found])
            print(f"the loop, {format_speed(config, loops[config])}; {summary}")
            spent = {name: statistics.fmean(m[name] for m in found) for name in naive_loop.METRICS[1:]}
            print("of that, per trial: " + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in spent.items()))

    for config in (calibrated,) if ranking else (usual, searched, calibrated):
        start = time.perf_counter()
        proxy = ShortTrain.prepare(config, (train, val))
        runner = RayRunner(steps=config.rungs, gpus_per_trial=gpus)
        reports = evaluate_all(proxy, members.genotypes, runner=runner, seed=PROXY_SEEDS, device=device)
        taken = (time.perf_counter() - start) / count
        summary = members.summary([r.scores["ap"] if r.scores else math.nan for r in reports])
        against = ", ".join(f"{seconds / taken:.2f} times the loop's {c.steps} steps" for c, seconds in loops.items())
        print(f"ours, {format_speed(config, taken)}; {summary}; {against}")


def format_speed(config: ShortTrainConfig, seconds: float) -> str:
    batch = config.recipe.batch_size
    return f"{config.steps} steps of {batch}: {seconds:.1f} s per candidate, {3600 / seconds:.0f} per hour"


if __name__ == "__main__":
    run(main, __doc__)
