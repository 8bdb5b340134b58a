"""Shared by the operators: build settings, activations, and a convolution with its norm."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from nas.ops.pool import SameConv2d
from search_spaces.genotype import Scale


@dataclass(frozen=True)
class Build:
    """Settings of a decoded network that all its operators share."""

    scale: Scale
    norm: Callable[[int], nn.Module] = nn.BatchNorm2d


class OwnWeights(nn.Module):
    """A module that initialises its own weights; decoding does not initialise them again."""


_ACTIVATIONS: dict[str, Callable[[bool], nn.Module]] = {
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "leaky_relu": lambda inplace: nn.LeakyReLU(0.1, inplace),
    "relu6": nn.ReLU6,
    "none": lambda inplace: nn.Identity(),
}


def activation(name: str, *, inplace: bool = True) -> nn.Module:
    """A new activation module."""
    return _ACTIVATIONS[name](inplace)


def conv_norm(
    channels_in: int,
    channels_out: int,
    build: Build,
    *,
    kernel: int = 1,
    stride: int = 1,
    act: str = "none",
    padding: str = "symmetric",
    bias: bool = False,
) -> nn.Sequential:
    """Convolution, norm, activation.

    `padding` "same" pads as TensorFlow does, which differs for strided convolutions. A norm cancels a `bias`; some
    released weights have one.
    """
    conv = (
        SameConv2d(channels_in, channels_out, kernel, stride, bias=bias)
        if padding == "same" and stride > 1
        else nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=bias)
    )
    layers: list[nn.Module] = [conv, build.norm(channels_out)]
    if act != "none":
        layers.append(activation(act))
    return nn.Sequential(*layers)
