"""The vocabulary of genotypes: which operators exist, of which kind, with which attributes.

The floor above gives every name here its module (`nas.ops`); a contract test holds the two tables together.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any, Union


class Kind(StrEnum):
    """What an operator is for."""

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


class GenotypeError(ValueError):
    """A genotype, operator or scale is not legal; the message names the field, the value and the fix."""


Attribute = Union[bool, int, float, str, "Op", tuple["Attribute", ...]]


@dataclass(frozen=True, slots=True)
class Field:
    """What one attribute may be: numbers within bounds, one of `choices`, or parts of the given name.

    `many` makes it a tuple of at most `many` such values, of none only where that is the default. Their order does
    not count: they are kept in ascending order.
    """

    default: Attribute
    low: float = 1
    high: float = 64
    choices: tuple[str, ...] = ()
    odd: bool = False
    part: str = ""
    differ: str = ""
    """Parts: the attribute that orders them, and in which no two are alike."""
    many: int = 0

    def parse(self, where: str, value: object) -> Attribute:
        """Check `value` and return it in its one canonical form (1 becomes 1.0 where a float is due)."""
        if not self.many:
            return self._parse_one(where, value)
        least = 1 if self.default else 0
        if not isinstance(value, (list, tuple)) or not least <= len(value) <= self.many:
            raise GenotypeError(f"{where}: expected a list of {least} .. {self.many} entries, got {short(value)}")
        entries: list[Any] = [self._parse_one(f"{where}[{i}]", v) for i, v in enumerate(value)]
        ranks = [entry[self.differ] for entry in entries] if self.differ else entries
        if self.differ and len(set(ranks)) < len(ranks):
            raise GenotypeError(f"{where}: two entries have the same {self.differ!r}")
        return tuple(entry for _, entry in sorted(zip(ranks, entries, strict=True), key=lambda pair: pair[0]))

    def _parse_one(self, where: str, value: object) -> Attribute:
        kind = self.default[0] if isinstance(self.default, tuple) and self.default else self.default
        if self.part:
            if isinstance(value, Op) and value.name == self.part:
                return value
            raise GenotypeError(f"{where}: expected an operator named {self.part!r}, got {short(value)}")
        if self.choices:
            if value in self.choices:
                return str(value)
            raise GenotypeError(f"{where}: {short(value)} is not one of {', '.join(self.choices)}")
        if isinstance(kind, bool):
            if isinstance(value, bool):
                return value
            raise GenotypeError(f"{where}: expected true or false, got {short(value)}")
        legal = (int,) if isinstance(kind, int) else (int, float)
        if isinstance(value, bool) or not isinstance(value, legal):
            raise GenotypeError(f"{where}: expected {_name(legal)}, got {short(value)}")
        if not (self.low <= value <= self.high and math.isfinite(value)):
            raise GenotypeError(f"{where}: {short(value)} is outside {self.low} .. {self.high}")
        if self.odd and value % 2 == 0:
            raise GenotypeError(f"{where}: {short(value)} is even: only odd sizes keep a map's size")
        return value if isinstance(kind, int) else float(value)


@dataclass(frozen=True, slots=True)
class Spec:
    """Static facts of an operator."""

    kind: Kind
    fields: Mapping[str, Field] = field(default_factory=dict)
    expansion: int = 1
    """Blocks: output channels per unit of node width."""
    moves: bool = True
    """Resample: reaches the node's own level. Blocks: can halve the resolution itself."""
    widens: bool = True
    """Resample and blocks: brings the map to the node's own channels, whatever came in."""
    stacks: bool = False
    """Fuse: channels add up instead of having to agree, and the order of inputs counts."""
    one_width: bool = True
    """Heads: all maps read have the same channels."""
    masks: bool = False
    """Heads: finds masks, and is trained on them."""


_ACTIVATIONS = ("relu", "silu", "leaky_relu", "relu6", "none")
_ACT = Field("relu", choices=_ACTIVATIONS)
_NO_ACT = Field("none", choices=_ACTIVATIONS)

OPS: Mapping[str, Spec] = {
    # stems: image to the first maps
    "resnet_stem": Spec(Kind.stem, {"width": Field(64, high=1024), "act": _ACT}),
    "darknet_stem": Spec(Kind.stem, {"width": Field(32, high=1024)}),
    # resample: one edge
    "identity": Spec(Kind.resample, moves=False, widens=False),
    "nearest": Spec(Kind.resample, {"down": Field("pool", choices=("pool", "skip"))}, widens=False),
    "lateral": Spec(Kind.resample, {"norm": Field("none", choices=("none", "batch"))}),
    "spinenet": Spec(Kind.resample, {"act": _ACT}),
    # fuse: N to 1
    "sum": Spec(Kind.fuse, {"act": _NO_ACT}),
    "fast": Spec(Kind.fuse, {"act": _NO_ACT}),
    "asff": Spec(Kind.fuse, {"compress": Field(16, high=256), "inner": _ACT, "act": _NO_ACT}),
    "concat": Spec(Kind.fuse, {"act": _NO_ACT}, stacks=True),
    # block: 1 to 1
    "none": Spec(Kind.block, moves=False, widens=False),
    "residual": Spec(Kind.block, {"repeats": Field(1), "act": _ACT}),
    "bottleneck": Spec(
        Kind.block,
        {"repeats": Field(1), "act": _ACT, "msfm": Field((), part="msfm", differ="position", many=3)},
        expansion=4,
    ),
    "conv": Spec(
        Kind.block,
        {
            "kernel": Field(3, high=15, odd=True),
            "act": _ACT,
            "norm": Field("batch", choices=("none", "batch")),
            "act_first": Field(False),
        },
    ),
    "darknet": Spec(Kind.block, {"repeats": Field(1)}),
    # parts
    "msfm": Spec(
        Kind.part,
        {
            "position": Field(3, high=3),
            "scales": Field((0.5, 0.7, 1.0), low=0.1, high=4, many=8),
            "ratio": Field(16, high=1024),
            "groups": Field(16, high=1024),
            "convs": Field(1, high=4),
            "fusion": Field("add", choices=("add", "cat")),
        },
    ),
    "dsa": Spec(Kind.part, {"min_level": Field(4, high=10), "reduction": Field(8, high=256)}),
    # heads
    "fcos": Spec(Kind.head, {"attention": Field((), part="dsa", differ="min_level", many=1)}),
    "faster_rcnn": Spec(Kind.head),
    "mask_rcnn": Spec(Kind.head, masks=True),
    "cascade_rcnn": Spec(Kind.head),
}

_STEM_LEVELS = {"resnet_stem": 2, "darknet_stem": 0}


@dataclass(frozen=True, slots=True)
class Op:
    """A named operator with attributes, kept in one canonical form: sorted, without those equal to their default.

    So an attribute added in a later release, at a default that changes nothing, leaves every key as it was.
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
        """The attribute's value, or its default."""
        for key, value in self.attributes:
            if key == name:
                return value
        return OPS[self.name].fields[name].default

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
    """A map that a stem hands to the nodes, named `stem<level>`; its width is not scaled."""

    level: int
    width: int

    @property
    def name(self) -> str:
        return f"stem{self.level}"


@lru_cache(maxsize=256)
def stem_maps(stem: Op) -> tuple[StemMap, ...]:
    """The maps a stem produces, finest first."""
    return (StemMap(_STEM_LEVELS[stem.name], stem["width"]),)


def _name(types: tuple[type, ...]) -> str:
    return "a whole number" if types == (int,) else "a number"


def short(value: object) -> str:
    """A value for an error message, whatever its size."""
    if isinstance(value, int) and abs(value) > 10**18:  # repr of a huge int can itself raise
        return "a number of more than 18 digits"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
