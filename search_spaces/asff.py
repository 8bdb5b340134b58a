"""Per-pixel fusion weights (ASFF, Liu et al. 2019, arXiv 1911.09516, section 3.3), and cheaper fuse operators."""

from dataclasses import dataclass, replace

from search_spaces.choose import Chooser
from search_spaces.genotype import Genotype
from search_spaces.ops import Op, op
from search_spaces.spinenet import Block, connect
from search_spaces.zoo import SPINENET_49

FUSES = ("sum", "fast", "asff")
"""Plain sum; fast normalised weights (EfficientDet, arXiv 1911.09070, section 3.3); per-pixel weights."""


def choose_fuse(choose: Chooser, name: str) -> Op:
    """Choose a node's fuse operator; a ReLU follows it, as in SpineNet."""
    return op(choose(f"{name}.fuse", FUSES), act="relu")


@dataclass(frozen=True)
class AsffSpace:
    """Space of the fuse operator of every node of a fixed scale-permuted topology."""

    name: str = "asff"
    blocks: tuple[Block, ...] = SPINENET_49

    def build(self, choose: Chooser, /) -> Genotype:
        blocks = [replace(block, name=f"block{i}") for i, block in enumerate(self.blocks)]
        return connect(blocks, fuse=lambda block: choose_fuse(choose, block.name))
