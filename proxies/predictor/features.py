"""Features of a genotype's graph: the named numbers that the predictor is fitted to."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from math import fsum, log2
from typing import cast

import numpy as np
from numpy.typing import NDArray

from nas.cost import cost
from nas.search.types import Candidate
from search_spaces.fields import Field
from search_spaces.genotype import MAX_LEVEL, Genotype, Scale
from search_spaces.ops import OPS, Kind, Op, stem_maps

Vector = NDArray[np.float64]

_LEVELS = range(MAX_LEVEL + 1)
_PLACED = (Kind.fuse, Kind.block, Kind.part)
"""Kinds of operators that are counted per level."""


@lru_cache(maxsize=1024)
def features(genotype: Genotype) -> Vector:
    """Counts, means and extremes over the live graph, independent of the names and the order of nodes.

    The depth of a map is the number of nodes on the longest path to it from the stem. The span of an edge is the level
    of its target minus that of its source, its jump the difference of their depths. Parameters and multiply-adds are
    computed at scale 1, 256 px and one class.

    Returns:
        (F,), read-only, named by `FEATURES`; equal for genotypes that differ only in names and order.
    """
    values_of = defaultdict[str, list[float]](list)
    for name, value in chain(_nodes(genotype), _paths(genotype), _operators(genotype)):
        values_of[name].append(value)
    vector = np.zeros(len(FEATURES))
    for name, values in values_of.items():
        vector[_INDEX[name]] = fsum(values)  # exact, so independent of the order of nodes
    vector.flags.writeable = False
    return vector


def proposal_features(proposal: Candidate) -> Vector:
    """The features of a proposal, whose value must be a genotype."""
    return features(cast(Genotype, proposal.value))


def _nodes(genotype: Genotype) -> Iterator[tuple[str, float]]:
    for node in genotype.live:
        yield f"level{node.level}.nodes", 1
        yield f"level{node.level}.repeats", int(node.block["repeats"]) if "repeats" in node.block.spec.fields else 1
    needed = cost(genotype, Scale(), image_size=256, num_classes=1)
    yield "parameters.log2", log2(needed.parameters)
    yield "macs.log2", log2(needed.macs)


def _paths(genotype: Genotype) -> Iterator[tuple[str, float]]:
    levels = {m.name: m.level for m in stem_maps(genotype.stem)}
    shortest, depth, paths = (dict.fromkeys(levels, start) for start in (0, 0, 1))
    ancestors: dict[str, frozenset[str]] = dict.fromkeys(levels, frozenset())
    on_level = Counter(node.level for node in genotype.live)
    readers: Counter[str] = Counter()
    jumps = []
    for node in genotype.live:
        name, sources = node.name, [edge.source for edge in node.inputs]
        levels[name] = node.level
        shortest[name] = 1 + min(shortest[s] for s in sources)
        depth[name] = 1 + max(depth[s] for s in sources)
        paths[name] = sum(paths[s] for s in sources)
        ancestors[name] = frozenset({name}).union(*(ancestors[s] for s in sources))
        readers.update(sources)
        jumps += [depth[name] - depth[s] for s in sources]
        yield f"level{node.level}.depth", depth[name] / on_level[node.level]
        for span in (node.level - levels[s] for s in sources):
            yield f"edges.span{span:+d}", 1
            yield f"level{node.level}.{_direction(span)}", 1
    for name in genotype.outputs:
        yield f"output{levels[name]}.shortest", shortest[name]
        yield f"output{levels[name]}.longest", depth[name]
        yield f"output{levels[name]}.paths.log2", log2(paths[name])
        yield f"output{levels[name]}.nodes", len(ancestors[name])
    yield "depth", max(depth[name] for name in genotype.outputs)
    yield "edges", len(jumps)
    yield "edges.jump.mean", sum(jumps) / len(jumps)
    yield "edges.jump.most", max(jumps)
    yield "readers.most", max(readers.values())


def _direction(span: int) -> str:
    return "from_finer" if span > 0 else "from_coarser" if span else "from_same"


def _operators(genotype: Genotype) -> Iterator[tuple[str, float]]:
    uses = list(_uses(genotype))
    counts = Counter(op.name for op, _ in uses)
    for op, level in uses:
        yield f"{op.name}.uses", 1
        if op.kind in _PLACED and level is not None:
            yield f"{op.name}.level{level}", 1
        for name, field in op.spec.fields.items():
            yield from ((f"{op.name}.{trait}", value / counts[op.name]) for trait, value in _traits(op, name, field))


def _uses(genotype: Genotype) -> Iterator[tuple[Op, int | None]]:
    """Every operator with its level, nested ones included; a fuse of a single map is left out."""
    whole = ((genotype.stem, None), (genotype.head, None))
    blocks = ((node.block, node.level) for node in genotype.live)
    fuses = ((node.fuse, node.level) for node in genotype.live if len(node.inputs) > 1)
    edges = ((edge.op, node.level) for node in genotype.live for edge in node.inputs)
    for op, level in chain(whole, blocks, fuses, edges):
        yield op, level
        yield from ((part, level) for part in op.parts())


def _traits(op: Op, name: str, field: Field) -> Iterator[tuple[str, float]]:
    value = op[name]
    if field.choices:
        yield f"{name}={value}", 1
    elif field.many and not field.part:
        yield f"{name}.count", len(value)
        yield f"{name}.least", min(value)
        yield f"{name}.most", max(value)
    elif not field.pattern and not field.part:
        yield name, float(value)


def _names() -> Iterator[str]:
    for level in _LEVELS:
        of_level = ("nodes", "repeats", "depth", "from_finer", "from_coarser", "from_same")
        yield from (f"level{level}.{name}" for name in of_level)
        yield from (f"output{level}.{name}" for name in ("shortest", "longest", "paths.log2", "nodes"))
    yield from (f"edges.span{span:+d}" for span in range(-MAX_LEVEL, MAX_LEVEL + 1))
    yield from ("depth", "edges", "edges.jump.mean", "edges.jump.most", "readers.most")
    yield from ("parameters.log2", "macs.log2")
    for name, spec in OPS.items():
        yield f"{name}.uses"
        yield from (f"{name}.level{level}" for level in _LEVELS if spec.kind in _PLACED)
        for field, facts in spec.fields.items():
            yield from (f"{name}.{trait}" for trait in _trait_names(field, facts))


def _trait_names(name: str, field: Field) -> Iterator[str]:
    if field.choices:
        yield from (f"{name}={choice}" for choice in field.choices)
    elif field.many and not field.part:
        yield from (f"{name}.{what}" for what in ("count", "least", "most"))
    elif not field.pattern and not field.part:
        yield name


FEATURES = tuple(_names())
"""Names of the entries of a feature vector, in order."""
_INDEX = {name: i for i, name in enumerate(FEATURES)}
