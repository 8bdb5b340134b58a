"""Candidates ranked per hour, ours against the loop one would write today: `python -m experiments.bench.naive_search`.

Both train the same random members of the joint space on the same scenes, as many at once as there are cores. At equal
steps the ratio is what the machinery saves; as a search trains, and with what a ranking found to recall as many of the
best, also what knowing a proxy does.
"""

import argparse
import random
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from experiments.bench import naive_loop
from experiments.presets import preset
from nas.data.open import open_data
from nas.search.ray_runner import RayRunner
from nas.training.recipe import Recipe
from proxies.pool import evaluate_all
from proxies.short_train import ShortTrain, ShortTrainConfig
from search_spaces.choose import sample
from search_spaces.joint import JointSpace


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candidates", type=int, default=8)
    parser.add_argument("--enough", type=int, default=80, help="steps of ours, by a ranking")
    parser.add_argument("--batch", type=int, default=4, help="of ours then")
    asked = parser.parse_args()
    search = preset("digits")
    searched = search.proxy.model_copy(update={"rungs": 1})
    recipe = Recipe(batch_size=16, learning_rate=0.004, flip=False)
    loops = ShortTrainConfig(scale=replace(searched.scale, head_depth=4), steps=320, rungs=1, recipe=recipe)
    small = searched.recipe.model_copy(update={"batch_size": asked.batch})
    enough = searched.model_copy(update={"steps": asked.enough, "recipe": small})
    train, val = open_data("digits", search.digits)
    genotypes = [sample(JointSpace(), random.Random(seed)).value for seed in range(asked.candidates)]

    with tempfile.TemporaryDirectory() as folder:
        naive_loop.export(train, Path(folder) / "train")
        naive_loop.export(val, Path(folder) / "val")
        start = time.perf_counter()
        found = naive_loop.run(genotypes, Path(folder) / "train", Path(folder) / "val", loops, train.num_classes)
        naive = (time.perf_counter() - start) / asked.candidates
    told = f"{naive:.1f} s a candidate, {3600 / naive:.0f} an hour; best AP {max(m['ap'] for m in found):.3f}"
    print(f"the loop, {loops.steps} steps of {loops.recipe.batch_size}: {told}")
    spent = {name: statistics.fmean(m[name] for m in found) for name in naive_loop.METRICS[1:]}
    print("of which, a trial: " + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in spent.items()))

    for ours in (loops, searched, enough):
        start = time.perf_counter()
        proxy = ShortTrain.prepare(ours, (train, val))
        reports = evaluate_all(proxy, genotypes, runner=RayRunner(steps=1))
        taken = (time.perf_counter() - start) / asked.candidates
        best = max((r.scores["ap"] for r in reports if r.scores), default=0.0)
        told = f"{taken:.1f} s a candidate, {3600 / taken:.0f} an hour; best AP {best:.3f}"
        print(f"ours, {ours.steps} steps of {ours.recipe.batch_size}: {told}; {naive / taken:.2f} times the loop")


if __name__ == "__main__":
    main()
