"""A genotype as GraphML, which Gephi, yEd and networkx read."""

from pathlib import Path
from typing import TYPE_CHECKING

from nas.inspect.words import plain
from search_spaces.genotype import Genotype, Node
from search_spaces.ops import StemMap

if TYPE_CHECKING:
    import networkx as nx

GRAPHML = ".graphml"
"""Suffix of its files."""
HEAD = "head"
"""Name of the head's vertex; with a prime if a node has it."""


def graph_of(genotype: Genotype) -> "nx.DiGraph":
    """The live graph and the head, with attributes that are text and numbers.

    A vertex has `label`, `kind` (stem, node or head) and `op` (its stem, block or head), and a map also `level`,
    `stride` and, where the genotype fixes it, `width`, before any scale; a node that merges inputs has `fuse`. An arc
    has `op`, its resample operator, and `place`, its place among the target's inputs, from 0; arcs to the head have
    `place` alone.
    """
    graph = genotype.to_networkx()
    for name, data in graph.nodes(data=True):
        described = _described(genotype, data.pop("node"))
        del data["output"]
        data.update(label=name, **described)
    for _, _, data in graph.edges(data=True):
        data["op"] = plain(data["op"])
    for node in genotype.live:
        for place, edge in enumerate(node.inputs):
            graph.edges[edge.source, node.name]["place"] = place
    head = HEAD
    while head in graph:
        head += "'"
    graph.add_node(head, label=head, kind="head", op=plain(genotype.head))
    for place, name in enumerate(genotype.outputs):
        graph.add_edge(name, head, place=place)
    return graph


def write_graphml(genotype: Genotype, path: Path) -> None:
    """Write `graph_of` a genotype: the same bytes for the same genotype."""
    import networkx as nx

    # without `named_key_ids`: networkx 3.6 then gives `op` of vertices and `op` of arcs the same id
    nx.write_graphml_xml(graph_of(genotype), path)


def _described(genotype: Genotype, item: Node | StemMap) -> dict[str, str | int]:
    known: dict[str, str | int] = {"level": item.level, "stride": 2**item.level}
    if item.width is not None:
        known["width"] = item.width
    if isinstance(item, StemMap):
        return {"kind": "stem", "op": plain(genotype.stem), **known}
    fuse = {"fuse": plain(item.fuse)} if len(item.inputs) > 1 else {}
    return {"kind": "node", "op": plain(item.block), **known, **fuse}
