"""Images too small for a genotype are refused before anything is built."""

import pytest

from proxies.candidate import require_resolution
from search_spaces.ops import GenotypeError
from search_spaces.zoo import zoo

GENOTYPE = zoo("spinenet-49").genotype  # levels up to 7


def test_a_map_that_shows_one_pixel_at_two_levels_has_vanished() -> None:
    require_resolution(GENOTYPE, 64)
    with pytest.raises(GenotypeError, match=r"level 7 at 63 px: give 64 px"):
        require_resolution(GENOTYPE, 63)
