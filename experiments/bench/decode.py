"""Time to decode SpineNet-49 and to compute its cost: `python -m experiments.bench.decode`.

Decodes on the meta device, without initialising weights, unless another device is given. The cost includes the head; it
is computed by formula, without building modules, and operators are cached.
"""

import statistics
from collections.abc import Callable

import torch
from tyro.conf import Positional

from experiments.bench.interleaved import clock
from experiments.commands.arguments import run
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


def main(name: Positional[str] = "spinenet-49", *, rounds: int = 20, device: str = "meta") -> None:
    """Print the median times of decoding and of the cost.

    Args:
        name: a zoo entry.
        rounds: timed calls of each.
        device: device to decode on: meta, cpu or cuda.
    """
    entry = zoo(name)
    device = device if device == "meta" else best_device(device)

    def decoded() -> None:
        with torch.device(device):
            decode(entry.genotype, entry.scale)

    def costed() -> None:
        cost(entry.genotype, entry.scale, image_size=entry.image_size, num_classes=entry.num_classes)

    decode_ms, cost_ms = milliseconds(decoded, rounds), milliseconds(costed, rounds)
    print(f"{name}: decode on {device} {decode_ms:.1f} ms + cost {cost_ms:.2f} ms = {decode_ms + cost_ms:.1f} ms")


if __name__ == "__main__":
    run(main, __doc__)
