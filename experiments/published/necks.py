"""Necks from C3 to C5 of a ResNet-50 to five maps of 256 channels, as counted in public packages."""

from collections.abc import Callable

from experiments.published.count import parameters
from experiments.published.figure import Figure
from search_spaces.bifpn import bifpn
from search_spaces.genotype import Genotype
from search_spaces.nas_fpn import merge
from search_spaces.trunk import resnet
from search_spaces.zoo import zoo

RESNET_50 = 23_508_032
"""Trainable parameters of torchvision's ResNet-50 without its classifier."""


def _neck(genotype: Genotype) -> Callable[[], int]:
    return lambda: parameters(genotype) - RESNET_50


def _nas_fpn(repeats: int) -> Figure:
    return Figure(
        "NAS-FPN",
        f"{repeats} x 256 neck, parameters",
        {1: 5_185_280, 3: 13_453_568, 7: 29_990_144}[repeats],
        # mmdet's laterals have no bias, and it convolves before pooling to levels 6 and 7
        lambda: _neck(merge(resnet(50), repeats=repeats))() - 3 * 256 + 2 * (256 * 256 + 2 * 256),
        note="mmdet 3.3.0 NASFPN; ours is adjusted to its laterals and extra levels, which differ from Google's code",
    )


def _bifpn(depth: int, published: int) -> Figure:
    note = "effdet 0.4.1 BiFpn with its redundant biases, as released"
    return Figure("BiFPN", f"depth {depth}, parameters", published, _neck(bifpn(resnet(50), depth=depth)), note=note)


FIGURES = (
    Figure("FPN", "neck, parameters", 3_868_672, _neck(zoo("fpn").genotype), note="mmdet 3.3.0 FPN"),
    Figure("PAFPN", "neck, parameters", 6_228_992, _neck(zoo("pafpn").genotype), note="mmdet 3.3.0 PAFPN"),
    _bifpn(1, 2_781_715),
    _bifpn(3, 3_879_481),
    *map(_nas_fpn, (1, 3, 7)),
)
