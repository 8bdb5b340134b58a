"""Images too small for a genotype are refused before anything is built."""

import pytest

from proxies.candidate import require_resolution
from search_spaces.ops import GenotypeError
from search_spaces.zoo import zoo

GENOTYPE = zoo("spinenet-49").genotype  # levels up to 7


def test_images_too_small_for_the_coarsest_level_are_refused() -> None:
    require_resolution(GENOTYPE, 64)
    with pytest.raises(GenotypeError, match=r"level 7 at 63 px: give 64 px"):
        require_resolution(GENOTYPE, 63)
