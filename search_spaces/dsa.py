"""Decoupled self-attention before the class and box towers (DSA, arXiv 2012.07630)."""

from dataclasses import dataclass

from search_spaces.choose import Chooser
from search_spaces.fpn import resnet_fpn
from search_spaces.genotype import Genotype
from search_spaces.ops import Op, op


def choose_head(choose: Chooser) -> Op:
    """Choose a head with or without attention; as published, never at level 3, whose map is too large."""
    if not choose("head.dsa", (False, True)):
        return op("fcos")
    return op("fcos", attention=(op("dsa", min_level=choose("head.dsa.min_level", (4, 5))),))


@dataclass(frozen=True)
class DsaSpace:
    """Levels and query width of the head's attention, on a ResNet-50 with FPN."""

    name: str = "dsa"

    def build(self, choose: Chooser, /) -> Genotype:
        attention = op(
            "dsa",
            min_level=choose("head.dsa.min_level", (4, 5, 6)),
            reduction=choose("head.dsa.reduction", (8, 4, 2)),
        )
        return resnet_fpn(head=op("fcos", attention=(attention,)))
