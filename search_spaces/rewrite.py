"""Rewriting of genotypes: change one attribute in every operator that has it."""

from collections.abc import Callable
from dataclasses import replace

from search_spaces.fields import Attribute
from search_spaces.genotype import Edge, Genotype, Node
from search_spaces.ops import Op


def with_padding(genotype: Genotype, padding: str) -> Genotype:
    """The same topology with another padding in its stem and SpineNet edges.

    Args:
        genotype: the topology.
        padding: "symmetric" (the paper's TPU release) or "same" (tf-models).
    """
    return rewrite(genotype, lambda operator: _set(operator, "padding", padding))


def with_activation(genotype: Genotype, act: str) -> Genotype:
    """The same topology with another activation in place of every ReLU.

    SpineNet's longest schedule replaces it by swish ("silu") in blocks, edges, fusions, endpoints and head
    (arXiv 1912.05027, section 4.1, protocol C).
    """

    def change(operator: Op) -> Op:
        is_relu = "act" in operator.spec.fields and operator["act"] == "relu"
        return _set(operator, "act", act) if is_relu else operator

    return rewrite(genotype, change)


def rewrite(genotype: Genotype, change: Callable[[Op], Op]) -> Genotype:
    """Apply `change` to every operator: stem, edges, fusions, blocks and head; nested parts are not visited.

    Raises:
        GenotypeError: the changed genotype is illegal.
    """
    nodes = tuple(_node(node, change) for node in genotype.nodes)
    return Genotype(change(genotype.stem), nodes, genotype.outputs, change(genotype.head))


def _node(node: Node, change: Callable[[Op], Op]) -> Node:
    edges = tuple(Edge(edge.source, change(edge.op)) for edge in node.inputs)
    return replace(node, inputs=edges, fuse=change(node.fuse), block=change(node.block))


def _set(operator: Op, name: str, value: Attribute) -> Op:
    if name not in operator.spec.fields:
        return operator
    return operator.but(**{name: value})
