"""What a genotype costs, by hand; `tests/contracts/test_costs.py` holds it to the modules."""

from dataclasses import replace

import pytest

from nas.cost import cost
from search_spaces.genotype import Edge, Genotype, Node, Scale
from search_spaces.ops import GenotypeError, op
from search_spaces.zoo import zoo

SCALE = Scale(output_width=32, head_depth=0)
PIXELS = 16 * 16
"""Of level 2 at 64 px."""


def chain(*blocks: str) -> Genotype:
    """A ResNet stem, and 64 channels wide blocks of level 2 one after the other; the last one is the output."""
    names = ["stem2", *(f"n{i}" for i in range(len(blocks)))]
    nodes = tuple(
        Node(name, 2, 64, (Edge(source, op("identity")),), block=op(block))
        for name, source, block in zip(names[1:], names[:-1], blocks, strict=True)
    )
    return Genotype(op("resnet_stem"), nodes, (names[-1],), op("fcos"))


def priced(genotype: Genotype, *, scale: Scale = SCALE, frozen: tuple[str, ...] = ()) -> tuple[int, ...]:
    found = cost(genotype, scale, image_size=64, num_classes=5, frozen=frozen)
    return found.parameters, found.trainable_parameters, found.macs, found.activations


STEM = 3 * 64 * 49
BLOCK = 2 * 9 * 64 * 64
HEAD = 9 * 64 * (5 + 4 + 1)


def test_the_counts_of_a_residual_block_between_stem_and_head() -> None:
    parameters = STEM + 2 * 64 + BLOCK + 4 * 64 + HEAD + 10
    macs = 1024 * STEM + PIXELS * (BLOCK + HEAD)
    activations = 1024 * 64 + PIXELS * (2 * 64 + 10)
    assert priced(chain("residual")) == (parameters, parameters, macs, activations)
    found = cost(chain("residual"), SCALE, image_size=64, num_classes=5)
    assert found.activation_bytes == 4 * activations


def test_what_is_frozen_is_not_trained() -> None:
    genotype = chain("residual", "residual")
    every, *_ = priced(genotype)
    for frozen, gone in {("stem",): STEM + 128, ("n1",): BLOCK + 256, ("n0", "n0", "stem"): STEM + BLOCK + 384}.items():
        assert priced(genotype, frozen=frozen)[:2] == (every, every - gone)


def test_what_nothing_reads_costs_nothing() -> None:
    genotype = chain("residual")
    dead = Node("dead", 2, 64, (Edge("n0", op("identity")),), block=op("residual"))
    assert priced(replace(genotype, nodes=(*genotype.nodes, dead))) == priced(genotype)


def test_memory_peaks_where_the_stem_s_norm_copies_its_map() -> None:
    found = cost(chain("residual"), SCALE, image_size=64, num_classes=5)
    assert found.peak_memory == 4 * (found.parameters + 3 * 64 * 64 + 2 * 64 * 1024)


@pytest.mark.parametrize(("skips", "maps"), [(False, 2), (True, 3)])
def test_memory_holds_a_map_until_its_last_reader_is_done(skips: bool, maps: int) -> None:
    """Six wide copies in a row: the one that is read and the one that is made, and the first if the last adds it."""
    nodes = [Node("n0", 2, 512, (Edge("stem2", op("lateral")),))]
    for i in range(1, 6):
        nodes.append(Node(f"n{i}", 2, 512, (Edge(f"n{i - 1}", op("identity")),), fuse=op("sum", act="relu")))
    if skips:
        nodes[5] = replace(nodes[5], inputs=(Edge("n0", op("identity")), *nodes[5].inputs))
    genotype = Genotype(op("resnet_stem", width=1), tuple(nodes), ("n5",), op("fcos"))
    found = cost(genotype, SCALE, image_size=64, num_classes=5)
    assert found.peak_memory == 4 * (found.parameters + 3 * 64 * 64 + maps * 512 * PIXELS)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"image_size": 0}, "image_size: 0: give at least 1"),
        ({"num_classes": 0}, "num_classes: 0: give at least 1"),
        ({"frozen": ("c9",)}, "frozen: 'c9' is neither"),
        ({"scale": Scale(output_width=40)}, "scale.output_width: 40 is not a multiple of 32"),
        ({"scale": Scale(output_width=32, head_width=64)}, "scale.head_width"),
    ],
)
def test_what_cannot_be_counted_says_why(arguments: dict[str, object], says: str) -> None:
    given = {"genotype": zoo("fpn").genotype, "scale": SCALE, "image_size": 64, "num_classes": 5, **arguments}
    with pytest.raises(GenotypeError, match=says):
        cost(**given)  # type: ignore[arg-type]
