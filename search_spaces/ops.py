"""The operators of genotypes: name, kind and attributes of each.

`nas.ops` implements every name as a module; a contract test keeps the two tables in step.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from typing import Any

from search_spaces.fields import Attribute, Field
from search_spaces.fields import GenotypeError as GenotypeError
from search_spaces.fields import short as short


class Kind(StrEnum):
    """Role of an operator in a genotype."""

    stem = "stem"
    resample = "resample"
    """On an edge: changes level and width."""
    fuse = "fuse"
    """N maps to 1."""
    block = "block"
    """1 map to 1."""
    head = "head"
    part = "part"
    """A module inside another operator: msfm in a bottleneck, dsa before a head."""


@dataclass(frozen=True, slots=True)
class Spec:
    """Static facts of an operator."""

    kind: Kind
    fields: Mapping[str, Field] = field(default_factory=dict)
    expansion: int = 1
    """Blocks: output channels divided by the node's width."""
    moves: bool = True
    """Resample: changes the level to the node's. Blocks: can stride by 2."""
    widens: bool = True
    """Resample and blocks: changes the channels to the node's."""
    stacks: bool = False
    """Fuse: channels are concatenated; otherwise they must be equal."""
    ordered: int = 0
    """Fuse: the number of leading inputs whose order matters."""
    one_width: bool = True
    """Heads: all input maps must have the same channels."""
    masks: bool = False
    """Heads: predicts masks, and needs them for training."""


_ACTIVATIONS = ("relu", "silu", "leaky_relu", "relu6", "none")
_ACT = Field("relu", choices=_ACTIVATIONS)
_NO_ACT = Field("none", choices=_ACTIVATIONS)
_DROP = Field(0.0, low=0, high=0.9)
"""Stochastic depth: probability that a sample skips the residual branch in training."""
_PADDING = Field("symmetric", choices=("symmetric", "same"))
"""Padding of strided convolutions: symmetric, or TensorFlow's 'same'."""

OPS: Mapping[str, Spec] = {
    # stems: image to the first maps
    "resnet_stem": Spec(
        Kind.stem,
        {
            "width": Field(64, high=1024),
            "act": _ACT,
            "padding": _PADDING,
            "pool": Field("same", choices=("same", "symmetric")),
        },
    ),
    "darknet_stem": Spec(Kind.stem, {"width": Field(32, high=1024)}),
    "mobilenet_stem": Spec(Kind.stem, {"width": Field(32, high=1024)}),
    "timm": Spec(
        Kind.stem,
        {
            "name": Field("resnet18", pattern=r"[A-Za-z0-9_.-]{1,100}"),
            "levels": Field((2, 3, 4, 5), low=0, high=10, many=8, ordered=True),
            "widths": Field((64, 128, 256, 512), high=8192, many=8, ordered=True),
        },
    ),
    # resample: one edge
    "identity": Spec(Kind.resample, moves=False, widens=False),
    "nearest": Spec(Kind.resample, {"down": Field("pool", choices=("pool", "tiles", "skip"))}, widens=False),
    "lateral": Spec(Kind.resample, {"norm": Field("none", choices=("none", "batch")), "bias": Field(False)}),
    "spinenet": Spec(Kind.resample, {"act": _ACT, "padding": _PADDING}),
    "asff_resample": Spec(Kind.resample, {"act": Field("leaky_relu", choices=_ACTIVATIONS)}),
    # fuse: N to 1
    "sum": Spec(Kind.fuse, {"act": _NO_ACT}),
    "fast": Spec(Kind.fuse, {"act": _NO_ACT}),
    "asff": Spec(Kind.fuse, {"compress": Field(16, high=256), "inner": _ACT, "act": _NO_ACT}),
    "attention": Spec(Kind.fuse, {"act": _NO_ACT}, ordered=2),
    "concat": Spec(Kind.fuse, {"act": _NO_ACT}, stacks=True, ordered=512),
    # block: 1 to 1
    "none": Spec(Kind.block, moves=False, widens=False),
    "residual": Spec(Kind.block, {"repeats": Field(1), "act": _ACT, "drop": _DROP}),
    "bottleneck": Spec(
        Kind.block,
        {
            "repeats": Field(1),
            "act": _ACT,
            "drop": _DROP,
            "msfm": Field((), part="msfm", differ="position", many=3),
            "deformable": Field(False),
        },
        expansion=4,
    ),
    "conv": Spec(
        Kind.block,
        {
            "kernel": Field(3, high=15, odd=True),
            "act": _ACT,
            "norm": Field("batch", choices=("none", "batch")),
            "act_first": Field(False),
            "bias": Field(False),
        },
    ),
    "separable": Spec(Kind.block, {"kernel": Field(3, high=15, odd=True), "act": _NO_ACT, "bias": Field(False)}),
    "darknet": Spec(Kind.block, {"repeats": Field(1)}),
    "inverted": Spec(
        Kind.block,
        {"repeats": Field(1), "expand": Field(6, high=16), "act": Field("relu6", choices=_ACTIVATIONS)},
    ),
    "spp": Spec(
        Kind.block,
        {"sizes": Field((5, 9, 13), high=31, odd=True, many=8), "act": Field("leaky_relu", choices=_ACTIVATIONS)},
        moves=False,
    ),
    "rfb": Spec(Kind.block, moves=False),
    "dropblock": Spec(
        Kind.block,
        {
            "sizes": Field((1, 3, 7), high=31, odd=True, many=8),
            "starts": Field((5, 80, 150), low=0, high=100_000, many=8),
            "keep": Field(0.9, low=0.1, high=1),
        },
        moves=False,
        widens=False,
    ),
    # parts
    "msfm": Spec(
        Kind.part,
        {
            "position": Field(3, high=3),
            "scales": Field((0.5, 0.7, 1.0), low=0.1, high=4, many=8),
            "ratio": Field(16, high=1024),
            "groups": Field(16, high=1024),
            "convs": Field(1, high=4),
            "deepen": Field("all", choices=("all", "enlarging")),
            "fusion": Field("add", choices=("add", "cat")),
        },
    ),
    "dsa": Spec(Kind.part, {"min_level": Field(4, high=10), "reduction": Field(8, high=256)}),
    # heads
    "fcos": Spec(Kind.head, {"attention": Field((), part="dsa", differ="min_level", many=1)}),
    "retinanet": Spec(
        Kind.head,
        {
            "act": _ACT,
            "norm": Field("none", choices=("none", "batch")),
            "anchor_base": Field(4.0, low=0.25),
            "attention": Field((), part="dsa", differ="min_level", many=1),
            "confidence": Field(False),
            "confidence_power": Field(0.7, low=0, high=1),
            "confidence_attached": Field(True),
            "confidence_only_large": Field(False),
        },
    ),
    "yolov3": Spec(
        Kind.head,
        {
            "deformable": Field(True),
            "rfb": Field(False),
            "anchors": Field("coco", choices=("coco", "released")),
        },
        one_width=False,
    ),
    "faster_rcnn": Spec(Kind.head),
    "mask_rcnn": Spec(Kind.head, masks=True),
    "cascade_rcnn": Spec(Kind.head),
}

_STEM_LEVELS = {"resnet_stem": 2, "darknet_stem": 0, "mobilenet_stem": 1}


@dataclass(frozen=True, slots=True)
class Op:
    """A named operator with attributes in canonical form: sorted, default values left out.

    So a later release can add an attribute, with a default that changes nothing, and every key stays the same.
    """

    name: str
    attributes: tuple[tuple[str, Attribute], ...] = ()

    def __post_init__(self) -> None:
        spec = OPS.get(self.name) if isinstance(self.name, str) else None
        if spec is None:
            raise GenotypeError(f"operator {short(self.name)} is unknown; known: {', '.join(OPS)}")
        if not self.attributes:
            return
        stored: dict[str, Attribute] = {}
        for name, value in self.attributes:
            if name not in spec.fields:
                known = ", ".join(spec.fields) or "none"
                raise GenotypeError(f"operator {self.name!r} has no attribute {short(name)}; it has: {known}")
            if name in stored:
                raise GenotypeError(f"operator {self.name!r} has attribute {name!r} twice")
            stored[name] = spec.fields[name].parse(f"{self.name}.{name}", value)
        kept = sorted((name, value) for name, value in stored.items() if value != spec.fields[name].default)
        object.__setattr__(self, "attributes", tuple(kept))

    @property
    def spec(self) -> Spec:
        return OPS[self.name]

    @property
    def kind(self) -> Kind:
        return OPS[self.name].kind

    def __getitem__(self, name: str) -> Any:
        """The value of an attribute, or its default."""
        for key, value in self.attributes:
            if key == name:
                return value
        return OPS[self.name].fields[name].default

    def but(self, **changes: object) -> "Op":
        """The same operator with other values of some attributes.

        Raises:
            GenotypeError: an unknown attribute, or an illegal value.
        """
        return op(self.name, **{**dict(self.attributes), **changes})

    def parts(self) -> Iterator["Op"]:
        """Operators nested in this one."""
        for _, value in self.attributes:
            for part in value if isinstance(value, tuple) else (value,):
                if isinstance(part, Op):
                    yield part


def op(name: str, /, **attributes: object) -> Op:
    """An operator by name: `op("bottleneck", repeats=2)`.

    Raises:
        GenotypeError: unknown operator or attribute, or an illegal value.
    """
    return Op(name, tuple(attributes.items()))  # type: ignore[arg-type]  # checked by Op


@dataclass(frozen=True, slots=True)
class StemMap:
    """An output map of a stem, named `stem<level>`; the scale's `width` does not apply to its width."""

    level: int
    width: int

    @property
    def name(self) -> str:
        return f"stem{self.level}"


@lru_cache(maxsize=256)
def stem_maps(stem: Op) -> tuple[StemMap, ...]:
    """The maps a stem produces, finest first.

    Raises:
        GenotypeError: the levels do not ascend, or the number of widths differs.
    """
    if "levels" in stem.spec.fields:
        return tuple(_listed_maps(stem))
    return (StemMap(_STEM_LEVELS[stem.name], stem["width"]),)


def _listed_maps(stem: Op) -> Iterator[StemMap]:
    levels, widths = stem["levels"], stem["widths"]
    if len(levels) != len(widths):
        raise GenotypeError(f"{stem.name}.widths: {len(widths)} widths for {len(levels)} levels: give one each")
    if any(high <= low for low, high in pairwise(levels)):
        raise GenotypeError(f"{stem.name}.levels: {short(levels)} must ascend, finest first")
    yield from map(StemMap, levels, widths)
