"""Build a candidate's detector at the proxy's scale, after checking that it fits."""

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
    """The detector and its cost. Seeds torch's global generator, from which the initial weights are drawn.

    Raises:
        GenotypeError: the scale does not suit the genotype or this machine's memory, or the images are too small.
    """
    import torch

    cost = candidate_cost(genotype, config, num_classes)
    torch.manual_seed(seed)
    return build_detector(genotype, config.scale, num_classes, config.detector).to(device), cost


def candidate_cost(genotype: Genotype, config: ProxyConfig, num_classes: int) -> Cost:
    """The detector's cost, after checking that it can be built and trained.

    Raises:
        GenotypeError: the scale does not suit the genotype or this machine's memory, or the images are too small.
    """
    require_resolution(genotype, config.image_size)
    needed = cost(genotype, config.scale, image_size=config.image_size, num_classes=num_classes)
    require_memory(needed)
    return needed


def require_resolution(genotype: Genotype, image_size: int) -> None:
    """Refuse a genotype whose coarsest stride is more than twice the image size.

    Map sizes are rounded up and never reach 0, but beyond that stride every map is a single pixel.

    Args:
        image_size: side of the square images, px.

    Raises:
        GenotypeError: the images are too small; the message has the size needed.
    """
    level = max(node.level for node in genotype.live)
    if image_size < (needed := 2 ** (level - 1)):
        raise GenotypeError(
            f"image_size: too small for level {level} at {image_size} px: give {needed} px or more, "
            "or a space with fewer levels"
        )
