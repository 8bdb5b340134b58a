"""The maps of a `timm` backbone, verified on the meta device, since its own description is not always right."""

import difflib
import importlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from math import log2
from textwrap import shorten
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from nas.ops.maps import Size
from search_spaces.ops import GenotypeError, short

_OPTIONS: tuple[Mapping[str, bool], ...] = ({}, {"strict_img_size": False}, {"dynamic_img_size": True})
"""Options of `create_model` to try in turn; the latter two let some families accept any image size."""
_SHAPES = ((5, 3), (1, 2))
"""Height and width of the test images, in units of the padding."""
_OTHER = "choose a backbone of strides 4, 8, 16, 32, such as resnet50 or convnext_tiny"


@dataclass(frozen=True)
class TimmMaps:
    """The maps of a backbone.

    Attributes:
        levels: level -> (index of the last map of that level, its width), finest first.
        unit: px; height and width of an image must be multiples of it, unless `only` is set.
        options: arguments of timm's `create_model`.
        channels_last: maps are (N, H, W, C).
        only: the only image size that it accepts, px; None if any.
    """

    levels: Mapping[int, tuple[int, int]]
    unit: int
    options: Mapping[str, bool]
    channels_last: bool
    only: Size | None = None


@cache
def timm_maps(name: str) -> TimmMaps:
    """The maps of a backbone, for any image size if it accepts any, else for the only one.

    Raises:
        GenotypeError: timm is absent or has no such backbone, or its strides are not powers of two.
    """
    for options in _OPTIONS:
        with suppress(GenotypeError):
            return _Probe(name, options).maps_of_any_size()
    return _Probe(name, {}).maps(1, _own_size(name))


def _own_size(name: str) -> Size:
    """Default input height and width of the backbone, px."""
    cfg = library(name).models.get_pretrained_cfg(name)
    rows, columns = cfg.input_size[1:] if cfg else (224, 224)
    return int(rows), int(columns)


class _Probe:
    """A backbone on the meta device, with the index, stride and width of every map as its `feature_info` states them.

    Raises:
        GenotypeError: it cannot be built with the options, or a stride is not a power of two.
    """

    def __init__(self, name: str, options: Mapping[str, bool]) -> None:
        self.name, self.options = name, options
        with torch.device("meta"):
            self.body = create(name, None, options).eval()
        try:
            info = self.body.feature_info
            self.stated = list(zip(info.out_indices, map(float, info.reduction()), info.channels(), strict=True))
        except (AttributeError, TypeError, ValueError) as error:
            raise GenotypeError(_no_maps(name, error)) from None
        if odd := [stride for _, stride, _ in self.stated if stride < 1 or log2(stride) % 1]:
            raise GenotypeError(f"timm.name: {name} has a map of stride {odd[0]:g}, not a power of two: {_OTHER}")

    def maps_of_any_size(self) -> TimmMaps:
        """The maps, with the least padding that works.

        Raises:
            GenotypeError: as `maps`.
        """
        with suppress(GenotypeError):
            return self.maps(1)
        return self.maps(2)  # some families round up to an even number of the coarsest pixels

    def maps(self, padding: int, only: Size | None = None) -> TimmMaps:
        """The maps, verified with images of two sizes, in units of `padding` coarsest strides, or of the `only` size.

        Raises:
            GenotypeError: their sizes or widths differ from the stated ones, or there are none.
        """
        unit = padding * int(max(stride for _, stride, _ in self.stated))
        images = [only] if only else [(rows * unit, columns * unit) for rows, columns in _SHAPES]
        last = [self._channels_last(image) for image in images]
        levels = {int(log2(stride)): (index, width) for index, stride, width in self.stated}
        return TimmMaps(MappingProxyType(dict(sorted(levels.items()))), unit, self.options, last[0], only)

    def _channels_last(self, image: Size) -> bool:
        """Whether the maps are (N, H, W, C), verified with an image; not all families state it."""
        shapes = self._shapes(image)
        wanted = [(width, -(-image[0] // stride), -(-image[1] // stride)) for _, stride, width in self.stated]
        channels_first = [(shape[2], shape[0], shape[1]) for shape in shapes]
        if wanted in (shapes, channels_first):
            return wanted != shapes
        found, expected = next((f, e) for f, e in zip(shapes, wanted, strict=True) if f != e)
        raise GenotypeError(
            f"timm.name: {self.name} makes a map of shape {_by(found)} from an image of {_by(image)} px, but its "
            f"stride implies {_by(expected)}: {_OTHER}"
        )

    def _shapes(self, image: Size) -> list[tuple[int, ...]]:
        try:
            with torch.device("meta"), torch.no_grad():
                made = list(self.body(torch.empty(1, 3, *image)))
        except Exception as error:  # the exception depends on the family
            raise GenotypeError(_no_maps(self.name, error)) from None
        if len(made) != len(self.stated) or not all(isinstance(m, Tensor) and m.dim() == 4 for m in made):
            raise GenotypeError(f"timm.name: {self.name} gives no maps: its outputs are not feature maps: {_OTHER}")
        return [tuple(m.shape[1:]) for m in made]


def _by(numbers: Sequence[float]) -> str:
    return " x ".join(f"{number:g}" for number in numbers)


def create(name: str, indices: tuple[int, ...] | None, options: Mapping[str, bool]) -> Any:
    """The backbone as a feature extractor, with the maps at `indices` or all of them.

    Raises:
        GenotypeError: timm is absent or has no such backbone, or the backbone gives no maps.
    """
    chosen = {} if indices is None else {"out_indices": indices}
    try:
        return library(name).create_model(name, features_only=True, pretrained=False, **chosen, **options)
    except GenotypeError:
        raise
    except Exception as error:  # the exception depends on the family
        raise GenotypeError(_no_maps(name, error)) from None


def _no_maps(name: str, error: Exception) -> str:
    reason = shorten(str(error) or "no reason given", 160, placeholder=" ...")
    return f"timm.name: {name} gives no maps: {type(error).__name__}: {reason.rstrip('.')}: {_OTHER}"


def library(name: str) -> Any:
    """The timm package, after a check that it has the backbone.

    Raises:
        GenotypeError: timm is absent or has no such backbone.
    """
    try:
        timm = importlib.import_module("timm")
    except ImportError:
        raise GenotypeError("timm: the package is not installed: pip install 'fusion-nas[timm]'") from None
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise GenotypeError(f"timm.name: no model {short(name)}{hint}")
    return timm
