"""Cost of a genotype at a scale, by the formulas of its operators: no module is built.

Every operator and head has its formula in a `cost.py` next to its module; `nas.count` measures modules instead, and
tests hold the two exactly equal.
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
"""Bytes per parameter in training: its value, its gradient and the optimiser's two moments."""


@dataclass(frozen=True)
class Cost:
    """Cost of a forward pass of one image through a detector, without losses and NMS.

    Attributes:
        parameters: number of weights, buffers excluded.
        trainable_parameters: parameters that are not frozen.
        macs: multiply-adds of convolutions and matrix products, for one image.
        activations: elements that convolutions write, for one image.
        activation_bytes: their bytes in single precision.
        peak_memory: estimated bytes of an inference, in single precision: the parameters, and the peak of live image
            and maps. A map is live while `nas.decode.Backbone` keeps it for later nodes; in the running operator,
            live are its inputs, the output of its previous layer, that of its current layer, and the copy that a
            norm makes of it. Excluded: buffers, libraries' workspace, rounding by the allocator. Without parameters,
            within 15 % of the live bytes measured on a CPU at a search's widths; up to half too high for a narrow
            backbone with a wide head, as all levels of a head count as live at once.
        image_size: side of the square image, px.
    """

    parameters: int
    trainable_parameters: int
    macs: int
    activations: int
    activation_bytes: int
    peak_memory: int
    image_size: int


def machine_memory() -> int:
    """Physical memory of this machine, bytes."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def require_memory(needed: Cost) -> None:
    """Check, before any allocation, that training a detector fits into this machine's memory.

    Raises:
        GenotypeError: weights, gradients and optimiser state exceed the machine's memory.
    """
    memory = machine_memory()
    if (size := needed.parameters * TRAINING_BYTES) > memory:
        raise GenotypeError(
            f"{needed.parameters:,} parameters take {size / 2**30:,.0f} GiB to train, this machine has "
            f"{memory / 2**30:,.0f} GiB: give a smaller scale"
        )


def cost(genotype: Genotype, scale: Scale, *, image_size: int, num_classes: int, frozen: Sequence[str] = ()) -> Cost:
    """Cost of a genotype's detector.

    Args:
        genotype: the topology.
        scale: size of the network.
        image_size: side of the square image, px.
        num_classes: number of the head's classes.
        frozen: names of nodes, and "stem", that training does not change, such as pretrained stages.

    Raises:
        GenotypeError: the scale does not suit the genotype, a size below 1, or an unknown name in `frozen`.
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
    """Cost of stem and nodes by name, shapes of the outputs, and the peak of live elements without the image."""
    maps = stem_shapes(genotype.stem, scale)
    parts = {"stem": _count(scale, image_size, STEMS[genotype.stem.name].cost, genotype.stem, tuple(maps.values()))}
    sizes = {name: _elements(spec, image_size) for name, spec in maps.items()}
    released = last_readers(genotype)
    live, peak = sum(sizes.values()), parts["stem"].working
    for node in genotype.live:
        count, output = _node(node, [maps[edge.source] for edge in node.inputs], scale, image_size)
        parts[node.name], maps[node.name], sizes[node.name] = count, output, _elements(output, image_size)
        peak = max(peak, live + count.working)
        live += sizes[node.name] - sum(sizes[name] for name in released[node.name])
    return parts, tuple(maps[name] for name in genotype.outputs), peak


def _node(node: Node, sources: list[MapSpec], scale: Scale, image_size: int) -> tuple[Count, MapSpec]:
    """Cost of a node without the maps it reads, and its output's shape.

    The resampled inputs are live until they are fused, the fused map while the block runs.
    """
    target, resampled, entry, output = node_shapes(node, sources, scale)
    edges = [
        _count(scale, image_size, RESAMPLES[edge.op.name].cost, edge.op, source, target)
        for edge, source in zip(node.inputs, sources, strict=True)
    ]
    fuse = _count(scale, image_size, FUSES[node.fuse.name].cost, node.fuse, resampled)
    block = _count(scale, image_size, BLOCKS[node.block.name].cost, node.block, entry, target)
    working = held = 0
    for edge, spec in zip(edges, resampled, strict=True):
        working = max(working, held + edge.working)
        held += _elements(spec, image_size) if edge.working else 0
    working = max(working, held + fuse.working)
    held = _elements(entry, image_size) if fuse.working else held
    return _sum((*edges, fuse, block), max(working, held + block.working)), output


def _sum(parts: Iterable[Count], working: int) -> Count:
    parameters, macs, activations, _ = map(sum, zip(*parts, strict=True))
    return Count(parameters, macs, activations, working)


def _elements(spec: MapSpec, image_size: int) -> int:
    side = -(-image_size // 2**spec.level)
    return spec.channels * side * side


@lru_cache(maxsize=2**16)
def _count(scale: Scale, image_size: int, formula: Callable[..., None], *arguments: object) -> Count:
    """The cost of an operator. Cached, since genotypes of a space share most of their operators."""
    tally = Tally(scale, image_size)
    formula(*arguments, tally)
    return tally.count
