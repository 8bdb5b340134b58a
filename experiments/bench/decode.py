"""Time to decode SpineNet-49 and to compute its cost: `python -m experiments.bench.decode`.

Decodes on the meta device, without initialising weights, unless another device is given. The cost includes the head; it
is computed by formula, without building modules, and operators are cached.
"""

import argparse
import statistics
from collections.abc import Callable

import torch

from experiments.bench.interleaved import clock
from nas.cost import cost
from nas.decode import decode
from nas.training.device import best_device
from search_spaces.zoo import zoo


def milliseconds(run: Callable[[], object], rounds: int) -> float:
    """Median time over `rounds` calls, after one warm-up call, ms."""
    run()
    taken = []
    for _ in range(rounds):
        start = clock()
        run()
        taken.append(clock() - start)
    return statistics.median(taken) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", default="spinenet-49", help="a zoo entry")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--device", default="meta", help="device to decode on: meta, cpu or cuda")
    options = parser.parse_args()
    entry = zoo(options.name)
    device = options.device if options.device == "meta" else best_device(options.device)

    def decoded() -> None:
        with torch.device(device):
            decode(entry.genotype, entry.scale)

    def costed() -> None:
        cost(entry.genotype, entry.scale, image_size=entry.image_size, num_classes=entry.num_classes)

    decode_ms, cost_ms = milliseconds(decoded, options.rounds), milliseconds(costed, options.rounds)
    print(
        f"{options.name}: decode on {device} {decode_ms:.1f} ms + cost {cost_ms:.2f} ms = {decode_ms + cost_ms:.1f} ms"
    )


if __name__ == "__main__":
    main()
