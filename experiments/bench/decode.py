"""Milliseconds to decode SpineNet-49 on the meta device and to count its cost: `python -m experiments.bench.decode`.

Counting builds nothing, head included, and remembers the operators that it has counted before.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from nas.cost import cost
from nas.decode import decode
from search_spaces.zoo import zoo


def milliseconds(run: Callable[[], object], rounds: int) -> float:
    """Median of a core's own time over `rounds` calls, after one that is not counted."""
    run()
    taken = []
    for _ in range(rounds):
        start = time.process_time()
        run()
        taken.append(time.process_time() - start)
    return statistics.median(taken) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", default="spinenet-49", help="a zoo entry")
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    entry = zoo(options.name)

    def decoded() -> None:
        with torch.device("meta"):
            decode(entry.genotype, entry.scale)

    def costed() -> None:
        cost(entry.genotype, entry.scale, image_size=entry.image_size, num_classes=entry.num_classes)

    decode_ms, cost_ms = milliseconds(decoded, options.rounds), milliseconds(costed, options.rounds)
    print(f"{options.name}: decode {decode_ms:.1f} ms + cost {cost_ms:.2f} ms = {decode_ms + cost_ms:.1f} ms")


if __name__ == "__main__":
    main()
