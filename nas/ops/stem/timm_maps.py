"""Which maps a `timm` backbone really makes: seen on the meta device, as what it states of them is not always so."""

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
"""How a backbone is built; the latter two let some families take any size of image that else take one."""
_SHAPES = ((5, 3), (1, 2))
"""Images that are looked at, height and width in what they are padded to."""
_OTHER = "choose a backbone of strides 4, 8, 16, 32, such as resnet50 or convnext_tiny"


@dataclass(frozen=True)
class TimmMaps:
    """The maps of a backbone.

    Attributes:
        levels: level -> (index of the last map of that level, its width), finest first.
        unit: px; height and width of an image have to be multiples of it, but for the one size that it takes.
        options: of timm's `create_model`.
        channels_last: maps are (N, H, W, C).
        only: the one size of image that it takes, px; None for any.
    """

    levels: Mapping[int, tuple[int, int]]
    unit: int
    options: Mapping[str, bool]
    channels_last: bool
    only: Size | None = None


@cache
def timm_maps(name: str) -> TimmMaps:
    """The maps of a backbone, whatever their size is right for: any image, or those of the one size that it takes.

    Raises:
        GenotypeError: timm is absent, knows no such backbone, or it gives no maps of whole levels.
    """
    for options in _OPTIONS:
        with suppress(GenotypeError):
            return _Seen(name, options).maps_of_any_size()
    return _Seen(name, {}).maps(1, _own_size(name))


def _own_size(name: str) -> Size:
    """Height and width that the backbone is made for, px."""
    cfg = library(name).models.get_pretrained_cfg(name)
    rows, columns = cfg.input_size[1:] if cfg else (224, 224)
    return int(rows), int(columns)


class _Seen:
    """A backbone on the meta device, with its index, stride and width of every map as it states them.

    Raises:
        GenotypeError: it cannot be built so, or a stride is no power of two.
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
            raise GenotypeError(f"timm.name: {name}'s maps have stride {odd[0]:g}, no power of two: {_OTHER}")

    def maps_of_any_size(self) -> TimmMaps:
        """The maps, with as little padding as will do.

        Raises:
            GenotypeError: as `maps`.
        """
        with suppress(GenotypeError):
            return self.maps(1)
        return self.maps(2)  # some families round to an even number of the coarsest pixels

    def maps(self, padding: int, only: Size | None = None) -> TimmMaps:
        """The maps, as they are for images of two sizes, padded to so many of the coarsest stride, or of one size.

        Raises:
            GenotypeError: they are of other sizes or widths than stated, or none.
        """
        unit = padding * int(max(stride for _, stride, _ in self.stated))
        images = [only] if only else [(rows * unit, columns * unit) for rows, columns in _SHAPES]
        last = [self._channels_last(image) for image in images]
        levels = {int(log2(stride)): (index, width) for index, stride, width in self.stated}
        return TimmMaps(MappingProxyType(dict(sorted(levels.items()))), unit, self.options, last[0], only)

    def _channels_last(self, image: Size) -> bool:
        """Whether the maps of an image are (N, H, W, C); not all families say so."""
        shapes = self._shapes(image)
        wanted = [(width, -(-image[0] // stride), -(-image[1] // stride)) for _, stride, width in self.stated]
        turned = [(shape[2], shape[0], shape[1]) for shape in shapes]
        if wanted in (shapes, turned):
            return wanted != shapes
        found, due = next((f, d) for f, d in zip(shapes, wanted, strict=True) if f != d)
        raise GenotypeError(
            f"timm.name: {self.name} makes a map of shape {_by(found)} of an image of {_by(image)} px, where its "
            f"stride asks for {_by(due)}: {_OTHER}"
        )

    def _shapes(self, image: Size) -> list[tuple[int, ...]]:
        try:
            with torch.device("meta"), torch.no_grad():
                made = list(self.body(torch.empty(1, 3, *image)))
        except Exception as error:  # families stumble over a size in many ways
            raise GenotypeError(_no_maps(self.name, error)) from None
        if len(made) != len(self.stated) or not all(isinstance(m, Tensor) and m.dim() == 4 for m in made):
            raise GenotypeError(f"timm.name: {self.name} gives no maps: its outputs are none: {_OTHER}")
        return [tuple(m.shape[1:]) for m in made]


def _by(numbers: Sequence[float]) -> str:
    return " x ".join(f"{number:g}" for number in numbers)


def create(name: str, indices: tuple[int, ...] | None, options: Mapping[str, bool]) -> Any:
    """The backbone, with the maps at those indices or all it has.

    Raises:
        GenotypeError: timm is absent, knows no such backbone, or the backbone gives no maps.
    """
    chosen = {} if indices is None else {"out_indices": indices}
    try:
        return library(name).create_model(name, features_only=True, pretrained=False, **chosen, **options)
    except GenotypeError:
        raise
    except Exception as error:  # families refuse in many ways
        raise GenotypeError(_no_maps(name, error)) from None


def _no_maps(name: str, error: Exception) -> str:
    reason = shorten(str(error) or "no reason given", 160, placeholder=" ...")
    return f"timm.name: {name} gives no maps: {type(error).__name__}: {reason.rstrip('.')}: {_OTHER}"


def library(name: str) -> Any:
    """timm, which has such a backbone.

    Raises:
        GenotypeError: timm is absent or knows no such backbone.
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
