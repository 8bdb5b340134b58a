"""The joint space: scale permutation, a fuse operator per node, MSFM in bottlenecks, DSA before the head."""

from dataclasses import dataclass

from search_spaces.asff import choose_fuse
from search_spaces.choose import Chooser
from search_spaces.dsa import choose_head
from search_spaces.genotype import Genotype
from search_spaces.msfm import choose_msfm
from search_spaces.ops import Op, op
from search_spaces.spinenet import Block, SpineNetSpace, connect

_SPINENET = SpineNetSpace()


@dataclass(frozen=True)
class JointSpace:
    """SpineNet's space times ASFF's times MSFM's times DSA's.

    Decisions are named after a block, not its position, so that a block keeps its operators when a mutation moves it.
    """

    name: str = "joint"
    spinenet: SpineNetSpace = _SPINENET

    def build(self, choose: Chooser, /) -> Genotype:
        blocks = self.spinenet.blocks(choose)
        settings = choose_msfm(choose) if choose("msfm", (False, True)) else None

        def module(block: Block) -> Op:
            carries = settings and block.type == "bottleneck" and choose(f"{block.name}.msfm", (False, True))
            return op(block.type, msfm=settings.at(block.level)) if settings and carries else op(block.type)

        return connect(
            blocks,
            stem_levels=self.spinenet.stem_levels,
            fuse=lambda block: choose_fuse(choose, block.name),
            module=module,
            head=choose_head(choose),
        )
