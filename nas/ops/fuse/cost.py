"""What fusions cost, by the formula of each."""

from collections.abc import Sequence

from nas.ops.maps import MapSpec
from nas.ops.tally import Tally
from search_spaces.ops import Op


def sum_cost(op: Op, inputs: Sequence[MapSpec], tally: Tally) -> None:
    """One map for each addition; a lone input is copied only to be activated."""
    for _ in range(len(inputs) - 1 or op["act"] != "none"):
        tally.write(inputs[0].channels, tally.pixels(inputs[0].level))


def fast_cost(op: Op, inputs: Sequence[MapSpec], tally: Tally) -> None:
    """One weight and one map for each input."""
    tally.weights(len(inputs))
    for one in inputs:
        tally.write(one.channels, tally.pixels(one.level))


def asff_cost(op: Op, inputs: Sequence[MapSpec], tally: Tally) -> None:
    """What the convolutions that find the weights cost, and the sum."""
    compress, pixels = op["compress"], tally.pixels(inputs[0].level)
    together = compress * len(inputs)
    for one in inputs:
        tally.conv(one.channels, compress, pixels, norm=True)
    tally.write(together, pixels, copies=2)  # all of them, and their concatenation
    tally.conv(together, len(inputs), pixels, bias=True)
    tally.write(inputs[0].channels, pixels)


def attention_cost(op: Op, inputs: Sequence[MapSpec], tally: Tally) -> None:
    """One map for each input after the first."""
    for one in inputs[1:]:
        tally.write(one.channels, tally.pixels(one.level))


def concat_cost(op: Op, inputs: Sequence[MapSpec], tally: Tally) -> None:
    """The map that holds them all."""
    tally.write(sum(m.channels for m in inputs), tally.pixels(inputs[0].level))
