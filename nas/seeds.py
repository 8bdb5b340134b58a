"""Seeds derived from a seed."""

import random


def nth_seed(seed: int, number: int) -> int:
    """The seed of the `number`-th of several independent random streams; number 0 has `seed` itself."""
    return random.Random(f"{seed}/{number}").getrandbits(31) if number else seed
