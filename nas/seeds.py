"""Seeds that come of a seed."""

import random


def nth_seed(seed: int, number: int) -> int:
    """The seed of one of several that are alike and draw each their own; number 0 has the seed itself."""
    return random.Random(f"{seed}/{number}").getrandbits(31) if number else seed
