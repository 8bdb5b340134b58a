"""Whether a genotype's maps survive the size of a proxy's images."""

from search_spaces.genotype import Genotype
from search_spaces.ops import GenotypeError


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
