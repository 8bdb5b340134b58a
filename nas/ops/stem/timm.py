"""A whole backbone of the `timm` library as a stem of several maps; an extra: `pip install 'fusion-nas[timm]'`."""

import difflib
import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from nas.count import LiveBytes, counted
from nas.ops.common import Build, MapSpec, OwnWeights
from nas.ops.tally import FLOAT_BYTES, Count, Tally
from search_spaces.ops import GenotypeError, Op, op, short, stem_maps


class TimmStem(OwnWeights):
    """(N, 3, H, W) -> the maps of the operator's levels, sizes rounded up; weights begin as timm's do.

    Images are padded at their end to whole multiples of the coarsest stride, so that any backbone rounds alike.

    Raises:
        GenotypeError: on construction: timm is absent, knows no such backbone, or the maps are not those it makes.
    """

    def __init__(self, op: Op, build: Build) -> None:
        super().__init__()
        if build.scale.stem != 1:
            raise GenotypeError(f"scale.stem: {build.scale.stem:g}: a timm backbone has its own widths: leave it 1")
        maps = stem_maps(op)
        self.strides = [2**m.level for m in maps]
        found = _maps(op["name"])
        for m in maps:
            if found.get(m.level, (0, 0))[1] != m.width:
                have = ", ".join(f"{level}: {width}" for level, (_, width) in found.items())
                raise GenotypeError(f"timm: {op['name']} has no level {m.level} of width {m.width}; it has {have}")
        self.name: str = op["name"]
        self.body = _create(op["name"], tuple(found[m.level][0] for m in maps))
        # some families, all of them channels first, do not say
        self.channels_last = getattr(self.body, "output_fmt", "NCHW") == "NHWC"

    def forward(self, x: Tensor) -> list[Tensor]:
        height, width = x.shape[-2:]
        stride = self.strides[-1]
        maps = self.body(functional.pad(x, (0, -width % stride, 0, -height % stride)))
        if self.channels_last:
            maps = [m.permute(0, 3, 1, 2) for m in maps]
        return [m[..., : -(-height // s), : -(-width // s)] for m, s in zip(maps, self.strides, strict=True)]

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Take the weights of the whole model, as timm saves and publishes them; what follows the maps is left out.

        Raises:
            RuntimeError: they are another model's, in timm's words; nothing was changed.
        """
        whole = _with_weights(self.name, weights).state_dict()
        # a body spells what it takes from a model in its own way: blocks.0 becomes blocks_0 or model.blocks.0
        values = {name.replace("_", "."): value for name, value in whole.items()}
        names = {name: name.removeprefix("model.").replace("_", ".") for name in self.body.state_dict()}
        self.body.load_state_dict({name: values[plain] for name, plain in names.items()})


def timm_cost(op: Op, maps: Sequence[MapSpec], tally: Tally) -> None:
    """What the backbone costs, counted while it runs on the meta device: only timm knows its layers."""
    with torch.device("meta"):
        stem, image = TimmStem(op, Build(tally.scale)).eval(), torch.empty(1, 3, tally.image_size, tally.image_size)
    with LiveBytes() as live:
        counts = counted(stem, stem, image)
    tally.add(Count(*counts, live.peak // FLOAT_BYTES))


def timm_stem(name: str) -> Op:
    """The stem of a timm backbone with all maps it has.

    Raises:
        GenotypeError: timm is absent or knows no such backbone.
    """
    found = _maps(name)
    return op("timm", name=name, levels=tuple(found), widths=tuple(width for _, width in found.values()))


def _maps(name: str) -> dict[int, tuple[int, int]]:
    """Level -> (index of the last map of that level, its width)."""
    with torch.device("meta"):
        info = _create(name, None).feature_info
    reductions = zip(info.out_indices, info.reduction(), info.channels(), strict=True)
    return {int(reduction).bit_length() - 1: (index, width) for index, reduction, width in reductions}


def _create(name: str, indices: tuple[int, ...] | None) -> Any:
    chosen = {} if indices is None else {"out_indices": indices}
    try:
        return _library(name).create_model(name, features_only=True, pretrained=False, **chosen)
    except (RuntimeError, TypeError, ValueError, AssertionError) as error:
        raise GenotypeError(f"timm.name: {name} gives no maps: {error}") from None


def _with_weights(name: str, weights: Mapping[str, Tensor]) -> Any:
    """The whole model, strictly loaded by timm, with as many classes as the weights have."""
    timm = _library(name)
    heads = timm.models.get_pretrained_cfg(name).classifier or ""
    rows = weights.get(f"{heads if isinstance(heads, str) else heads[0]}.weight")
    classes = 0 if rows is None else len(rows)
    given = {"state_dict": dict(weights), "num_classes": classes, "label_offset": 0, "url": None, "hf_hub_id": None}
    return timm.create_model(name, pretrained=True, num_classes=classes, pretrained_cfg_overlay=given)


def _library(name: str) -> Any:
    try:
        timm = importlib.import_module("timm")
    except ImportError:
        raise GenotypeError("timm: the package is not installed: pip install 'fusion-nas[timm]'") from None
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise GenotypeError(f"timm.name: no model {short(name)}{hint}")
    return timm
