"""A whole backbone of the `timm` library as a stem of several maps; optional: `pip install 'fusion-nas[timm]'`."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from nas.count import LiveBytes, counted
from nas.ops.common import Build, OwnWeights
from nas.ops.maps import MapSpec, Size
from nas.ops.stem.timm_maps import create, library, timm_maps
from nas.ops.tally import FLOAT_BYTES, Count, Tally
from search_spaces.ops import GenotypeError, Op, op, stem_maps


class TimmStem(OwnWeights):
    """(N, 3, H, W) -> the maps of the operator's levels, sizes rounded up; initialised by timm.

    Images are padded at their end to whole multiples of the backbone's coarsest stride, so that all levels round up.

    Raises:
        GenotypeError: on construction: timm is absent or has no such backbone, or the backbone's maps differ from the
            operator's; in `forward`: the backbone takes a single image size, and this is another.
    """

    def __init__(self, op: Op, build: Build) -> None:
        super().__init__()
        if build.scale.stem != 1:
            raise GenotypeError(f"scale.stem: {build.scale.stem:g}: a timm backbone has its own widths: leave it at 1")
        maps = stem_maps(op)
        self.strides = [2**m.level for m in maps]
        found = timm_maps(op["name"])
        for m in maps:
            if found.levels.get(m.level, (0, 0))[1] != m.width:
                have = ", ".join(f"{level}: {width}" for level, (_, width) in found.levels.items())
                raise GenotypeError(f"timm: {op['name']} has no level {m.level} of width {m.width}; it has {have}")
        self.name: str = op["name"]
        self.body = create(op["name"], tuple(found.levels[m.level][0] for m in maps), found.options)
        self.unit, self.only, self.channels_last = found.unit, found.only, found.channels_last

    def forward(self, x: Tensor) -> list[Tensor]:
        height, width = x.shape[-2:]
        rows, columns = self._padding(height, width)
        maps = self.body(functional.pad(x, (0, columns, 0, rows)))
        if self.channels_last:
            maps = [m.permute(0, 3, 1, 2) for m in maps]
        return [m[..., : -(-height // s), : -(-width // s)] for m, s in zip(maps, self.strides, strict=True)]

    def _padding(self, height: int, width: int) -> Size:
        """Rows and columns by which the backbone needs an image padded."""
        if self.only is None:
            return -height % self.unit, -width % self.unit
        rows, columns = self.only[0] - height, self.only[1] - width
        if not (0 <= rows < self.unit and 0 <= columns < self.unit):
            raise GenotypeError(
                f"timm.name: {self.name} takes only {self.only[0]} x {self.only[1]} images, not {height} x {width}: "
                f"give --image-size {self.only[0]} (in a search --proxy.image-size), or choose a backbone that takes "
                "any size, such as resnet50"
            )
        return rows, columns

    def published_names(self) -> list[str]:
        """timm's published names of the model's weights, classifier excluded."""
        with torch.device("meta"):
            return list(library(self.name).create_model(self.name, pretrained=False, num_classes=0).state_dict())

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Load the weights of the whole model in timm's published format; layers after the last map are left out.

        Raises:
            RuntimeError: timm's message: the weights are another model's; nothing was changed.
        """
        whole = _with_weights(self.name, weights).state_dict()
        # a feature extractor renames the model's layers: blocks.0 becomes blocks_0 or model.blocks.0
        values = {name.replace("_", "."): value for name, value in whole.items()}
        names = {name: name.removeprefix("model.").replace("_", ".") for name in self.body.state_dict()}
        self.body.load_state_dict({name: values[plain] for name, plain in names.items()})


def timm_cost(op: Op, maps: Sequence[MapSpec], tally: Tally) -> None:
    """Cost of the backbone, measured on the meta device: only timm knows its layers."""
    with torch.device("meta"):
        stem, image = TimmStem(op, Build(tally.scale)).eval(), torch.empty(1, 3, tally.image_size, tally.image_size)
    with LiveBytes() as live:
        counts = counted(stem, stem, image)
    tally.add(Count(*counts, live.peak // FLOAT_BYTES))


def timm_stem(name: str) -> Op:
    """The stem of a timm backbone with all its maps.

    Raises:
        GenotypeError: timm is absent or has no such backbone, or its strides are not powers of two.
    """
    found = timm_maps(name).levels
    return op("timm", name=name, levels=tuple(found), widths=tuple(width for _, width in found.values()))


def _with_weights(name: str, weights: Mapping[str, Tensor]) -> Any:
    """The whole model with the weights' number of classes, strictly loaded by timm."""
    timm = library(name)
    heads = timm.models.get_pretrained_cfg(name).classifier or ""
    rows = weights.get(f"{heads if isinstance(heads, str) else heads[0]}.weight")
    classes = 0 if rows is None else len(rows)
    given = {"state_dict": dict(weights), "num_classes": classes, "label_offset": 0, "url": None, "hf_hub_id": None}
    return timm.create_model(name, pretrained=True, num_classes=classes, pretrained_cfg_overlay=given)
