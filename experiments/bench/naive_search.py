"""Candidates ranked per hour, ours against the loop one would write today: `python -m experiments.bench.naive_search`.

Both train the same random members of the joint space on the same scenes, as many at once as there are cores. At equal
steps the ratio is what the machinery saves; at the steps that `nas rank` found enough, also what knowing a proxy does.
"""

import argparse
import random
import tempfile
import time
from pathlib import Path

from experiments.bench import naive_loop
from experiments.presets import preset
from nas.data.open import open_data
from nas.search.ray_runner import RayRunner
from proxies.pool import evaluate_all
from proxies.short_train import ShortTrain
from search_spaces.choose import sample
from search_spaces.joint import JointSpace


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candidates", type=int, default=8)
    parser.add_argument("--steps", type=int, default=320, help="of the loop, and of ours for the ratio at equal steps")
    parser.add_argument("--enough", type=int, default=64, help="of ours, by a ranking")
    parser.add_argument("--batch", type=int, default=8, help="of ours then")
    asked = parser.parse_args()
    search = preset("digits")
    config = search.proxy.model_copy(update={"steps": asked.steps, "rungs": 1})
    train, val = open_data("digits", search.digits)
    genotypes = [sample(JointSpace(), random.Random(seed)).value for seed in range(asked.candidates)]

    with tempfile.TemporaryDirectory() as folder:
        naive_loop.export(train, Path(folder) / "train")
        naive_loop.export(val, Path(folder) / "val")
        start = time.perf_counter()
        scores = naive_loop.run(genotypes, Path(folder) / "train", Path(folder) / "val", config, train.num_classes)
        naive = (time.perf_counter() - start) / asked.candidates
    told = f"{naive:.1f} s a candidate, {3600 / naive:.0f} an hour; best AP {max(scores):.3f}"
    print(f"the loop, {asked.steps} steps: {told}")

    recipe = config.recipe.model_copy(update={"batch_size": asked.batch})
    cheap = config.model_copy(update={"steps": asked.enough, "recipe": recipe})
    for ours in (config, cheap):
        start = time.perf_counter()
        proxy = ShortTrain.prepare(ours, (train, val))
        reports = evaluate_all(proxy, genotypes, runner=RayRunner(steps=1))
        taken = (time.perf_counter() - start) / asked.candidates
        best = max((r.scores["ap"] for r in reports if r.scores), default=0.0)
        told = f"{taken:.1f} s a candidate, {3600 / taken:.0f} an hour; best AP {best:.3f}"
        print(f"ours, {ours.steps} steps of {ours.recipe.batch_size}: {told}; {naive / taken:.2f} times the loop")


if __name__ == "__main__":
    main()
