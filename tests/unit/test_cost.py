"""Costs of genotypes against hand-computed values; `tests/contracts/test_costs.py` compares them with the modules."""

from dataclasses import replace

import pytest

from nas.cost import cost
from search_spaces.genotype import Edge, Genotype, Node, Scale
from search_spaces.ops import GenotypeError, op
from search_spaces.zoo import zoo

SCALE = Scale(output_width=32, head_depth=0)
PIXELS = 16 * 16
"""Pixels of a level-2 map of a 64 px image."""


def chain(*blocks: str) -> Genotype:
    """A ResNet stem and a chain of level-2 blocks of 64 channels; the last block is the output."""
    names = ["stem2", *(f"n{i}" for i in range(len(blocks)))]
    nodes = tuple(
        Node(name, 2, 64, (Edge(source, op("identity")),), block=op(block))
        for name, source, block in zip(names[1:], names[:-1], blocks, strict=True)
    )
    return Genotype(op("resnet_stem"), nodes, (names[-1],), op("fcos"))


def costs(genotype: Genotype, *, scale: Scale = SCALE, frozen: tuple[str, ...] = ()) -> tuple[int, ...]:
    found = cost(genotype, scale, image_size=64, num_classes=5, frozen=frozen)
    return found.parameters, found.trainable_parameters, found.macs, found.activations


STEM = 3 * 64 * 49
BLOCK = 2 * 9 * 64 * 64
HEAD = 9 * 64 * (5 + 4 + 1)


def test_cost_of_a_residual_block_matches_hand_computed_values() -> None:
    parameters = STEM + 2 * 64 + BLOCK + 4 * 64 + HEAD + 10
    macs = 1024 * STEM + PIXELS * (BLOCK + HEAD)
    activations = 1024 * 64 + PIXELS * (2 * 64 + 10)
    assert costs(chain("residual")) == (parameters, parameters, macs, activations)
    found = cost(chain("residual"), SCALE, image_size=64, num_classes=5)
    assert found.activation_bytes == 4 * activations


def test_frozen_parameters_are_not_trainable() -> None:
    genotype = chain("residual", "residual")
    total, *_ = costs(genotype)
    for frozen, not_trained in {
        ("stem",): STEM + 128,
        ("n1",): BLOCK + 256,
        ("n0", "n0", "stem"): STEM + BLOCK + 384,
    }.items():
        assert costs(genotype, frozen=frozen)[:2] == (total, total - not_trained)


def test_dead_nodes_cost_nothing() -> None:
    genotype = chain("residual")
    dead = Node("dead", 2, 64, (Edge("n0", op("identity")),), block=op("residual"))
    assert costs(replace(genotype, nodes=(*genotype.nodes, dead))) == costs(genotype)


def test_peak_memory_is_at_the_norm_of_the_stem() -> None:
    found = cost(chain("residual"), SCALE, image_size=64, num_classes=5)
    assert found.peak_memory == 4 * (found.parameters + 3 * 64 * 64 + 2 * 64 * 1024)


@pytest.mark.parametrize(("skips", "maps"), [(False, 2), (True, 3)])
def test_peak_memory_counts_a_map_until_its_last_reader(skips: bool, maps: int) -> None:
    """Chain of six wide maps: a node holds its input and output, and the first map while the last node adds it."""
    nodes = [Node("n0", 2, 512, (Edge("stem2", op("lateral")),))]
    for i in range(1, 6):
        nodes.append(Node(f"n{i}", 2, 512, (Edge(f"n{i - 1}", op("identity")),), fuse=op("sum", act="relu")))
    if skips:
        nodes[5] = replace(nodes[5], inputs=(Edge("n0", op("identity")), *nodes[5].inputs))
    genotype = Genotype(op("resnet_stem", width=1), tuple(nodes), ("n5",), op("fcos"))
    found = cost(genotype, SCALE, image_size=64, num_classes=5)
    assert found.peak_memory == 4 * (found.parameters + 3 * 64 * 64 + maps * 512 * PIXELS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_size": 0}, "image_size: 0: give at least 1"),
        ({"num_classes": 0}, "num_classes: 0: give at least 1"),
        ({"frozen": ("c9",)}, "frozen: 'c9' is neither"),
        ({"scale": Scale(output_width=40)}, "scale.output_width: 40 is not a multiple of 32"),
        ({"scale": Scale(output_width=32, head_width=64)}, "scale.head_width"),
    ],
)
def test_invalid_arguments_are_refused(arguments: dict[str, object], message: str) -> None:
    given = {"genotype": zoo("fpn").genotype, "scale": SCALE, "image_size": 64, "num_classes": 5, **arguments}
    with pytest.raises(GenotypeError, match=message):
        cost(**given)  # type: ignore[arg-type]
