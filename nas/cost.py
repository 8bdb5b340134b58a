"""What a genotype costs at a scale, added up from its operators' own formulas: nothing is built.

Every operator and head states its formula in a `cost.py` beside its module; `nas.count` counts modules instead, and
tests hold the two equal, to the unit.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from nas.detectors import HEADS
from nas.ops.block import BLOCKS
from nas.ops.fuse import FUSES
from nas.ops.maps import MapSpec
from nas.ops.resample import RESAMPLES
from nas.ops.stem import STEMS
from nas.ops.tally import FLOAT_BYTES, Count, Tally
from nas.shapes import last_readers, node_shapes, stem_shapes
from search_spaces.genotype import Genotype, Node, Scale
from search_spaces.ops import GenotypeError

TRAINING_BYTES = 16
"""A parameter's own, its gradient's, and its two moments' in the optimiser."""


@dataclass(frozen=True)
class Cost:
    """Counts of one image's way through a detector, up to its losses or NMS.

    Attributes:
        parameters: weights, buffers not counted.
        trainable_parameters: those of them that training changes.
        macs: multiply-adds of convolutions and matrix products, for one image.
        activations: elements that convolutions write, for one image.
        activation_bytes: their bytes in single precision.
        peak_memory: estimated bytes of an inference, in single precision: the parameters, and the most that is alive at
            once of image and maps. A map is alive as long as `nas.decode.Backbone` keeps it for later nodes; of the
            operator that runs, so are its inputs, the map its last layer wrote, what its layer writes and the copy
            that a norm makes of it. Left out: buffers, libraries' scratch space, and what an allocator rounds up.
            Parameters apart, it is within 15 % of what is alive in a run on a CPU at widths like a search's; where
            a narrow backbone has a wide head, it is up to half too high, as a head's levels are counted at once.
        image_size: side of the square image they are counted at, px.
    """

    parameters: int
    trainable_parameters: int
    macs: int
    activations: int
    activation_bytes: int
    peak_memory: int
    image_size: int


def machine_memory() -> int:
    """Bytes of this machine's memory."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def require_memory(price: Cost) -> None:
    """Refuse a detector whose training cannot fit into this machine, before anything is allocated.

    Raises:
        GenotypeError: weights, gradients and optimiser would take more than the machine's memory.
    """
    memory = machine_memory()
    if (needed := price.parameters * TRAINING_BYTES) > memory:
        raise GenotypeError(
            f"{price.parameters:,} parameters take {needed / 2**30:,.0f} GiB to train, this machine has "
            f"{memory / 2**30:,.0f} GiB: give a smaller scale"
        )


def cost(genotype: Genotype, scale: Scale, *, image_size: int, num_classes: int, frozen: Sequence[str] = ()) -> Cost:
    """Count a genotype's detector.

    Args:
        genotype: what to count.
        scale: how big.
        image_size: side of the square image, px.
        num_classes: of the head.
        frozen: "stem" and names of nodes that training is to leave alone, as publications do with pretrained stages.

    Raises:
        GenotypeError: the scale does not suit the genotype, there is no image or class, or nothing of a frozen name.
    """
    for name, value in (("image_size", image_size), ("num_classes", num_classes)):
        if value < 1:
            raise GenotypeError(f"{name}: {value}: give at least 1")
    parts, outputs, peak = _backbone(genotype, scale, image_size)
    head = _count(scale, image_size, HEADS[genotype.head.name].cost, genotype.head, outputs, num_classes)
    peak = max(peak, sum(_elements(spec, image_size) for spec in outputs) + head.working) + 3 * image_size**2
    total = _sum((*parts.values(), head), peak)
    for name in frozen:
        if name not in parts:
            raise GenotypeError(f"frozen: {name!r} is neither 'stem' nor a node that is built")
    return Cost(
        parameters=total.parameters,
        trainable_parameters=total.parameters - sum(parts[name].parameters for name in set(frozen)),
        macs=total.macs,
        activations=total.activations,
        activation_bytes=FLOAT_BYTES * total.activations,
        peak_memory=FLOAT_BYTES * (total.parameters + peak),
        image_size=image_size,
    )


def _backbone(genotype: Genotype, scale: Scale, image_size: int) -> tuple[dict[str, Count], tuple[MapSpec, ...], int]:
    """What stem and nodes cost by name, the outputs, and the most elements that are alive at once beside the image."""
    maps = stem_shapes(genotype.stem, scale)
    parts = {"stem": _count(scale, image_size, STEMS[genotype.stem.name].cost, genotype.stem, tuple(maps.values()))}
    sizes = {name: _elements(spec, image_size) for name, spec in maps.items()}
    spent = last_readers(genotype)
    alive, peak = sum(sizes.values()), parts["stem"].working
    for node in genotype.live:
        count, made = _node(node, [maps[edge.source] for edge in node.inputs], scale, image_size)
        parts[node.name], maps[node.name], sizes[node.name] = count, made, _elements(made, image_size)
        peak = max(peak, alive + count.working)
        alive += sizes[node.name] - sum(sizes[name] for name in spent[node.name])
    return parts, tuple(maps[name] for name in genotype.outputs), peak


def _node(node: Node, sources: list[MapSpec], scale: Scale, image_size: int) -> tuple[Count, MapSpec]:
    """What a node costs beside the maps it reads, and the map it makes.

    All resampled inputs are alive until they are fused, the fused map as long as the block runs.
    """
    target, arrived, entry, made = node_shapes(node, sources, scale)
    edges = [
        _count(scale, image_size, RESAMPLES[edge.op.name].cost, edge.op, source, target)
        for edge, source in zip(node.inputs, sources, strict=True)
    ]
    fuse = _count(scale, image_size, FUSES[node.fuse.name].cost, node.fuse, arrived)
    block = _count(scale, image_size, BLOCKS[node.block.name].cost, node.block, entry, target)
    working = held = 0
    for edge, spec in zip(edges, arrived, strict=True):
        working = max(working, held + edge.working)
        held += _elements(spec, image_size) if edge.working else 0
    working = max(working, held + fuse.working)
    held = _elements(entry, image_size) if fuse.working else held
    return _sum((*edges, fuse, block), max(working, held + block.working)), made


def _sum(parts: Iterable[Count], working: int) -> Count:
    parameters, macs, activations, _ = map(sum, zip(*parts, strict=True))
    return Count(parameters, macs, activations, working)


def _elements(spec: MapSpec, image_size: int) -> int:
    side = -(-image_size // 2**spec.level)
    return spec.channels * side * side


@lru_cache(maxsize=2**16)
def _count(scale: Scale, image_size: int, cost_of: Callable[..., None], *told: object) -> Count:
    """What an operator tells a tally. Nearly all of a genotype was counted in another of its space before."""
    tally = Tally(scale, image_size)
    cost_of(*told, tally)
    return tally.count
