"""Genotypes sampled, keyed and serialised per second on one core, for every space."""

import random
import statistics
import time

from experiments.commands.arguments import run
from search_spaces.choose import sample
from search_spaces.registry import SPACES

COUNT, ROUNDS = 300, 5


def main() -> None:
    """Print the median rate for each space."""
    for name, space in SPACES.items():
        rates = []
        for seed in range(ROUNDS):
            rng = random.Random(seed)
            start = time.perf_counter()
            for _ in range(COUNT):
                genotype = sample(space, rng).value
                genotype.key()
                genotype.to_json()
            rates.append(COUNT / (time.perf_counter() - start))
        print(f"{name:10} {statistics.median(rates):6.0f} genotypes per second")


if __name__ == "__main__":
    run(main, __doc__)
