"""A candidate's detector, built at a proxy's size once nothing speaks against it."""

from typing import TYPE_CHECKING

from nas.cost import Cost, cost, require_memory
from nas.detectors import build_detector
from proxies.config import DetectorProxyConfig, ProxyConfig
from search_spaces.genotype import Genotype
from search_spaces.ops import GenotypeError

if TYPE_CHECKING:
    from torch import nn


def build_candidate(
    genotype: Genotype, config: DetectorProxyConfig, num_classes: int, *, seed: int, device: str
) -> "tuple[nn.Module, Cost]":
    """The detector, its weights drawn from the seed, which is torch's from here on; and what it costs.

    Raises:
        GenotypeError: the scale does not suit the genotype or this machine's memory, or the images are too small.
    """
    import torch

    price = price_candidate(genotype, config, num_classes)
    torch.manual_seed(seed)
    return build_detector(genotype, config.scale, num_classes, config.detector).to(device), price


def price_candidate(genotype: Genotype, config: ProxyConfig, num_classes: int) -> Cost:
    """What the detector costs, if it can be built and trained at all.

    Raises:
        GenotypeError: the scale does not suit the genotype or this machine's memory, or the images are too small.
    """
    require_resolution(genotype, config.image_size)
    price = cost(genotype, config.scale, image_size=config.image_size, num_classes=num_classes)
    require_memory(price)
    return price


def require_resolution(genotype: Genotype, image_size: int) -> None:
    """Refuse a genotype one pixel of whose coarsest map would be more than twice as wide as the image.

    Maps are rounded up, so none is ever empty; but from there on they all show one and the same pixel.

    Args:
        image_size: side of the square images, px.

    Raises:
        GenotypeError: with the size it takes.
    """
    level = max(node.level for node in genotype.live)
    if image_size < (needed := 2 ** (level - 1)):
        raise GenotypeError(
            f"image_size: nothing is left of level {level} at {image_size} px: give {needed} px or more, "
            "or a space with fewer levels"
        )
