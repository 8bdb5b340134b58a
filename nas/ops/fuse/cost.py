"""Cost formulas of the fuse operators."""

from collections.abc import Sequence

from nas.ops.maps import MapSpec
from nas.ops.tally import Tally
from search_spaces.ops import Op


def sum_cost(op: Op, inputs: Sequence[MapSpec], tally: Tally) -> None:
    """One map per addition; a single input is copied only if an activation follows."""
    for _ in range(len(inputs) - 1 or op["act"] != "none"):
        tally.write(inputs[0].channels, tally.pixels(inputs[0].level))


def fast_cost(op: Op, inputs: Sequence[MapSpec], tally: Tally) -> None:
    """One weight and one map per input."""
    tally.weights(len(inputs))
    for one in inputs:
        tally.write(one.channels, tally.pixels(one.level))


def asff_cost(op: Op, inputs: Sequence[MapSpec], tally: Tally) -> None:
    """Cost of the convolutions that compute the weights, and of the sum."""
    compress, pixels = op["compress"], tally.pixels(inputs[0].level)
    together = compress * len(inputs)
    for one in inputs:
        tally.conv(one.channels, compress, pixels, norm=True)
    tally.write(together, pixels, copies=2)  # all compressed maps, and their concatenation
    tally.conv(together, len(inputs), pixels, bias=True)
    tally.write(inputs[0].channels, pixels)


def attention_cost(op: Op, inputs: Sequence[MapSpec], tally: Tally) -> None:
    """One map per input after the first."""
    for one in inputs[1:]:
        tally.write(one.channels, tally.pixels(one.level))


def concat_cost(op: Op, inputs: Sequence[MapSpec], tally: Tally) -> None:
    """The concatenated map."""
    tally.write(sum(m.channels for m in inputs), tally.pixels(inputs[0].level))
