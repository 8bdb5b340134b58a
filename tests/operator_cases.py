"""Test cases of every operator: one attribute varied at a time, with input shapes and declared output shapes.

The cases are generated from the operator table `OPS`, so a new operator or attribute is tested without a new case.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain, product
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from nas.ops.block import BLOCKS
from nas.ops.common import Build
from nas.ops.fuse import FUSES
from nas.ops.maps import MapSpec
from nas.ops.part.dsa import SelfAttention
from nas.ops.part.msfm import Msfm
from nas.ops.resample import RESAMPLES
from nas.ops.stem import STEMS
from search_spaces.fields import Field
from search_spaces.genotype import Scale
from search_spaces.ops import OPS, Kind, Op, op, stem_maps

TABLES: dict[Kind, Mapping[str, Any]] = {
    Kind.stem: STEMS,
    Kind.resample: RESAMPLES,
    Kind.fuse: FUSES,
    Kind.block: BLOCKS,
}
PARTS: dict[str, Callable[[Op, int], nn.Module]] = {
    "msfm": Msfm,
    "dsa": lambda operator, channels: SelfAttention(channels, operator["reduction"]),
}
EXTRAS = {"timm"}
"""Operators that need optional packages; their own test files check the same properties."""
BUILD = Build(Scale(alpha=0.75))
IMAGE = (139, 202)
"""Height and width, px: no multiple of any stride, and large enough that every norm sees more than one pixel.

A norm over one pixel has zero gradient.
"""


@dataclass(frozen=True)
class Case:
    """An operator with its build function, input shapes and output shapes."""

    op: Op
    where: str
    build: Callable[[], nn.Module]
    reads: tuple[tuple[int, ...], ...]
    makes: tuple[tuple[int, ...], ...]
    listed: bool = False
    """Whether the module takes a list of maps."""
    size: tuple[int, int] | None = None
    """Target size, if the module takes one."""

    def inputs(self, **kind: Any) -> list[Tensor]:
        generator = torch.Generator().manual_seed(0)
        return [torch.randn(shape, generator=generator).to(**kind).requires_grad_() for shape in self.reads]

    def run(self, module: nn.Module, maps: list[Tensor]) -> list[Tensor]:
        out = module(maps if self.listed else maps[0], *([self.size] if self.size else []))
        return out if isinstance(out, list) else [out]


def sides(level: int) -> tuple[int, int]:
    return -(-IMAGE[0] // 2**level), -(-IMAGE[1] // 2**level)


def shape(spec: MapSpec) -> tuple[int, ...]:
    return (2, spec.channels, *sides(spec.level))


def alternatives(field: Field) -> Iterator[object]:
    """Values to test besides the default."""
    value = field.default[0] if isinstance(field.default, tuple) and field.default else field.default
    if field.choices:
        yield from field.choices
    elif field.part:
        first = OPS[field.part].fields[field.differ].default
        assert isinstance(first, int)
        yield tuple(op(field.part, **{field.differ: first - i}) for i in range(min(field.many, 2)))
    elif isinstance(value, bool):
        yield not value
    elif field.many:
        yield from ((value,), (value, value, value + 2))
    elif isinstance(value, (int, float)):
        yield from (v for v in (field.low, value + 2, field.high if field.high < 1 else value) if v <= field.high)


def variants(kind: Kind) -> Iterator[Op]:
    """Every operator of a kind: with the defaults, then with one attribute changed at a time."""
    for name, spec in OPS.items():
        if spec.kind is kind and name not in EXTRAS:
            found = [op(name)]
            for key, field in spec.fields.items():
                found += [op(name, **{key: value}) for value in alternatives(field)]
            yield from dict.fromkeys(found)


def stem_cases() -> Iterator[Case]:
    for operator, share in product(variants(Kind.stem), (1.0, 0.3)):
        makes = tuple(shape(MapSpec(m.level, 0, max(1, int(m.width * share)))) for m in stem_maps(operator))
        build = partial(STEMS[operator.name].build, operator, Build(Scale(stem=share)))
        yield Case(operator, f"{share}", build, ((2, 3, *IMAGE),), makes)


def resample_cases() -> Iterator[Case]:
    for operator in variants(Kind.resample):
        levels = product((2, 3, 6), repeat=2) if operator.spec.moves else ((3, 3),)
        widths = ((8, 8), (32, 12), (8, 24)) if operator.spec.widens else ((8, 8),)
        for (here, there), (comes, goes) in product(levels, widths):
            source, target = MapSpec(here, 8, comes), MapSpec(there, 12, goes)
            build = partial(RESAMPLES[operator.name].build, operator, source, target, BUILD)
            where = f"{here}to{there}-{comes}to{goes}"
            yield Case(operator, where, build, (shape(source),), (shape(target),), size=sides(there))


def fuse_cases() -> Iterator[Case]:
    for operator in variants(Kind.fuse):
        stacks = operator.name == "concat"
        counts = (1, 2, 4) if operator.name == "sum" else (2, 4)
        for count, level in product(counts, (3, 6)):
            inputs = [MapSpec(level, 8, 8 + stacks * i) for i in range(count)]
            made = MapSpec(level, 8, sum(m.channels for m in inputs) if stacks else 8)
            build = partial(FUSES[operator.name].build, operator, inputs, BUILD)
            yield Case(operator, f"{count}@{level}", build, tuple(map(shape, inputs)), (shape(made),), listed=True)


def block_cases() -> Iterator[Case]:
    for operator in variants(Kind.block):
        spec = operator.spec
        levels = ((3, 3), (2, 3), (5, 6)) if spec.moves else ((3, 3),)
        widths = (8, 12, 32) if spec.widens else (8 * spec.expansion,)
        for (here, there), comes in product(levels, widths):
            entry, target = MapSpec(here, 8, comes), MapSpec(there, 8, 8 * spec.expansion)
            build = partial(BLOCKS[operator.name].build, operator, entry, target, BUILD)
            yield Case(operator, f"{here}to{there}-{comes}", build, (shape(entry),), (shape(target),))


def part_cases() -> Iterator[Case]:
    for operator, channels, level in product(variants(Kind.part), (8, 48), (3, 6)):
        made = (shape(MapSpec(level, channels, channels)),)
        build = partial(PARTS[operator.name], operator, channels)
        yield Case(operator, f"{channels}@{level}", build, made, made)


CASES: dict[str, list[Case]] = {}
for _case in chain(stem_cases(), resample_cases(), fuse_cases(), block_cases(), part_cases()):
    CASES.setdefault(_case.op.name, []).append(_case)


def open_gates(module: nn.Module) -> None:
    """Let gradients reach every weight.

    Parts start as the identity: their gate is 0, so set it to 1. Stochastic depth drops branches: disable it.
    """
    for part in module.modules():
        if isinstance(part, Msfm):
            nn.init.ones_(part.restore[1].weight)  # type: ignore[arg-type]
        if isinstance(part, SelfAttention):
            nn.init.ones_(part.gamma)
        if isinstance(part, StochasticDepth):
            part.p = 0.0
