"""Parameters and costs, computed on the meta device or by formula, so that no weights are allocated."""

from functools import cache

from nas.cost import Cost, cost
from search_spaces.fpn import resnet_fpn
from search_spaces.genotype import Genotype, Scale
from search_spaces.msfm import MsfmSettings
from search_spaces.ops import Op
from search_spaces.zoo import zoo


@cache
def parameters(genotype: Genotype, scale: Scale = Scale()) -> int:  # noqa: B008 - a frozen value
    """Trainable parameters of the stem and the nodes, without the head."""
    import torch

    from nas.decode import decode

    with torch.device("meta"):
        return sum(p.numel() for p in decode(genotype, scale).parameters() if p.requires_grad)


@cache
def of_zoo(name: str, image_size: int | None = None) -> Cost:
    """The cost of a zoo entry's whole detector, by default at its own image size."""
    entry = zoo(name)
    return cost(
        entry.genotype,
        entry.scale,
        image_size=image_size or entry.image_size,
        num_classes=entry.num_classes,
        frozen=entry.frozen,
    )


@cache
def added_by_msfm(settings: MsfmSettings) -> int:
    """Parameters that MSFMs in every bottleneck of levels 3 to 5 add to a ResNet-50."""

    def msfm(level: int) -> tuple[Op, ...]:
        return settings.at(level) if level > 2 else ()

    return parameters(resnet_fpn(msfm=msfm)) - parameters(resnet_fpn())
