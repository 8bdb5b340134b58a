"""SpineNet's space has the paper's size, block counts and stochastic depth."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import comb, factorial, prod
from random import Random
from typing import Any

import pytest
import torch
from torch import nn
from torchvision.ops import StochasticDepth

from nas.decode import decode
from nas.ops.block import BLOCKS
from nas.ops.common import Build
from nas.ops.maps import MapSpec
from search_spaces.choose import RandomChooser, sample
from search_spaces.genotype import Scale
from search_spaces.ops import op
from search_spaces.spinenet import SCALE_PERMUTED, SpineNetSpace, connect
from search_spaces.zoo import SPINENET_49

TABLE_1 = {
    "r35-sp18": ({2: 2, 3: 3, 4: 5, 5: 1}, {2: 1, 3: 1, 4: 1, 5: 1, 6: 1, 7: 1}),
    "r23-sp30": ({2: 2, 3: 2, 4: 2, 5: 1}, {2: 1, 3: 2, 4: 4, 5: 1, 6: 1, 7: 1}),
    "r14-sp39": ({2: 1, 3: 1, 4: 1, 5: 1}, {2: 2, 3: 3, 4: 5, 5: 1, 6: 1, 7: 1}),
    "r0-sp53": ({2: 2}, {2: 1, 3: 4, 4: 6, 5: 2, 6: 1, 7: 1}),
}


@dataclass
class Counting:
    """A random chooser that multiplies the numbers of its options."""

    rng: Random
    combinations: int = 1
    options: dict[str, Sequence[Any]] = field(default_factory=dict)

    def __call__(self, name: str, options: Sequence[Any], /) -> Any:
        self.combinations *= len(options)
        return RandomChooser(self.rng)(name, options)


def published(pairs: int) -> int:
    """The paper's formula for 15 blocks, 10 of them intermediate, and two stem blocks."""
    return factorial(5) * factorial(10) * pairs * 4**10 * 2**15


@pytest.mark.parametrize(
    ("window", "pairs"),
    [
        (None, prod(comb(i, 2) for i in range(2, 17))),
        (5, prod(comb(min(i, 5), 2) for i in range(2, 12)) * prod(comb(i, 2) for i in range(12, 17))),
    ],
)
def test_the_space_has_the_published_size(window: int | None, pairs: int) -> None:
    space = SpineNetSpace(window=window)
    assert space.cardinality == published(pairs)
    counting = Counting(Random(0))
    space.build(counting)
    assert counting.combinations == space.cardinality


def test_the_unwindowed_space_has_the_published_order_of_magnitude() -> None:
    assert 1.1e40 < SpineNetSpace(window=None).cardinality < 1.3e40


@pytest.mark.parametrize("name", TABLE_1)
@pytest.mark.parametrize("seed", range(3))
def test_scale_permuted_networks_have_the_blocks_of_table_1(name: str, seed: int) -> None:
    stem, permuted = TABLE_1[name]
    space = SCALE_PERMUTED[name]
    genotype = sample(space, Random(seed)).value
    blocks = [node for node in genotype.nodes if node.block.name in ("bottleneck", "residual")]
    count = len(space.stem_levels)
    assert Counter(node.level for node in blocks[:count]) == stem
    assert Counter(node.level for node in blocks[count:]) == permuted
    assert {node.block.name for node in blocks} == {"bottleneck"}
    assert {node.width for node in blocks if node.level >= 5} == {256}
    with torch.device("meta"):
        maps = decode(genotype, Scale(width=0.125, output_width=8)).eval()(torch.empty(1, 3, 128, 128))
    assert list(maps) == ["p3", "p4", "p5", "p6", "p7"]


def test_a_stem_block_read_by_its_successor_is_not_read_again() -> None:
    """Only unread blocks are connected by identity to an output of their level."""
    genotype = sample(SCALE_PERMUTED["r35-sp18"], Random(0)).value
    stem = {f"b{i}" for i in range(10)}
    raw = {e.source for n in genotype.nodes[11:] for e in n.inputs if e.op.name == "identity"}
    assert not raw & stem


# Stochastic depth


def test_rates_grow_from_block_to_block() -> None:
    nodes = [n for n in connect(SPINENET_49, drop=0.2).nodes if n.block.name in ("bottleneck", "residual")]
    rates = [node.block["drop"] for node in nodes]
    assert rates == pytest.approx([0, 0] + [0.2 * i / 15 for i in range(1, 16)])


def test_a_rate_of_zero_does_not_change_the_genotype() -> None:
    assert connect(SPINENET_49, drop=0.0) == connect(SPINENET_49)


@pytest.mark.parametrize("name", ["residual", "bottleneck"])
def test_a_branch_is_dropped_at_its_rate(name: str) -> None:
    torch.manual_seed(0)
    spec = MapSpec(3, 4, 4 * op(name).spec.expansion)
    block = BLOCKS[name].build(op(name, drop=0.25, act="none"), spec, spec, Build(Scale(), lambda c: nn.Identity()))
    x = torch.randn(4000, spec.channels, 2, 2)
    with torch.inference_mode():
        branch = block.eval()(x) - x
        change = block.train()(x) - x
    skipped = change.abs().amax((1, 2, 3)) == 0
    assert skipped.float().mean().item() == pytest.approx(0.25, abs=0.03)
    torch.testing.assert_close(change[~skipped], branch[~skipped] / 0.75, rtol=1e-3, atol=1e-5)


def test_repeats_share_a_rate() -> None:
    network = decode(connect(SPINENET_49, drop=0.2), Scale(width=0.0625, repeats=2, output_width=8))
    rates = [m.p for m in network.nodes["node_b16"].modules() if isinstance(m, StochasticDepth)]
    assert rates == pytest.approx([0.2, 0.2])
    assert not any(isinstance(m, StochasticDepth) for m in network.nodes["node_b0"].modules())
