"""Costs computed per second, by formula and on the meta device: `python -m experiments.bench.cost`.

Distinct genotypes of the joint space at the proxy's scale, head included, each costed once, with caches initially
empty. On the meta device the detector is built and run under `FlopCounterMode`, without its batch norms, which have
no cost; the two are interleaved. Times are processor time of one core, so that other load affects both
alike.
"""

import random
import statistics
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import torch
from torch import nn

from experiments.commands.arguments import run
from nas.cost import cost
from nas.count import counted
from nas.detectors import build_detector
from proxies.config import ShortTrainConfig
from search_spaces.choose import sample
from search_spaces.genotype import Genotype
from search_spaces.registry import SPACES

CLASSES = 10
PROXY = ShortTrainConfig()


def different() -> Iterator[Genotype]:
    """Random genotypes of distinct keys, as fresh objects without cached properties."""
    rng, seen = random.Random(0), set[str]()
    while True:
        genotype = sample(SPACES["joint"], rng).value
        if genotype.key() not in seen:
            seen.add(genotype.key())
            yield replace(genotype)


def by_formula(genotype: Genotype) -> tuple[int, int, int]:
    """Parameters, multiply-adds and activations by formula."""
    found = cost(genotype, PROXY.scale, image_size=PROXY.image_size, num_classes=CLASSES)
    return found.parameters, found.macs, found.activations


def by_meta(genotype: Genotype) -> tuple[int, int, int]:
    """Parameters, multiply-adds and activations as counted on the meta device."""
    with torch.device("meta"):
        model = build_detector(genotype, PROXY.scale, CLASSES).eval()
        image = torch.empty(1, 3, PROXY.image_size, PROXY.image_size)
    parameters = sum(p.numel() for p in model.parameters())
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(parent, name, nn.Identity())
    return parameters, *counted(model, model.network, image)[1:]  # type: ignore[arg-type]


def main(*, genotypes: int = 2000, on_meta: int = 40) -> None:
    """Print the costs per second by formula, and the median time on the meta device.

    Args:
        genotypes: number of genotypes costed by formula.
        on_meta: number of those also counted on the meta device.
    """
    formula, meta, wall = list[float](), list[float](), 0.0
    for i, genotype in enumerate([*islice(different(), genotypes)]):
        start, began = time.perf_counter(), time.process_time()
        counts = by_formula(genotype)
        formula.append(time.process_time() - began)
        wall += time.perf_counter() - start
        if i * on_meta % genotypes < on_meta:
            began = time.process_time()
            assert by_meta(genotype) == counts
            meta.append(time.process_time() - began)
    ours, theirs = statistics.median(formula), statistics.median(meta)
    print(
        f"{len(formula)} genotypes by formula: {len(formula) / sum(formula):,.0f} per second "
        f"({len(formula) / wall:,.0f} in wall time), median {ours * 1e3:.3f} ms\n"
        f"{len(meta)} of them on the meta device: median {theirs * 1e3:.1f} ms, ratio of medians {theirs / ours:.0f}"
    )


if __name__ == "__main__":
    run(main, __doc__)
