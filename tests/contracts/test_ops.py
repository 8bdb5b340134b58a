"""The contract of every operator: it exists on both floors, returns the declared map, and is trainable.

The cases come from the vocabulary, so an operator or attribute added there is held to this at once.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, product

import pytest
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
from search_spaces.genotype import Scale
from search_spaces.ops import OPS, Field, Kind, Op, op, stem_maps

TABLES = {Kind.stem: STEMS, Kind.resample: RESAMPLES, Kind.fuse: FUSES, Kind.block: BLOCKS}
PARTS: dict[str, Callable[[Op, int], nn.Module]] = {
    "msfm": Msfm,
    "dsa": lambda operator, channels: SelfAttention(channels, operator["reduction"]),
}
EXTRAS = {"timm"}
"""Operators of optional packages, which have their own tests of the same properties."""
BUILD = Build(Scale(alpha=0.75))
IMAGE = (139, 202)
"""Not a multiple of any stride; large enough that no norm sees a single pixel, which would block gradients."""


@dataclass(frozen=True)
class Case:
    """One use of an operator: how to build it, its input shapes and its output shapes."""

    op: Op
    where: str
    build: Callable[[], nn.Module]
    reads: tuple[tuple[int, ...], ...]
    makes: tuple[tuple[int, ...], ...]
    listed: bool = False
    """Whether it takes a list of maps."""
    size: tuple[int, int] | None = None
    """Whether it takes the target size."""

    def inputs(self, **kind: object) -> list[Tensor]:
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
    """Values other than the default."""
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
    """Every operator of a kind, varying one attribute at a time."""
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


@pytest.fixture(params=CASES)
def cases(request: pytest.FixtureRequest) -> list[Case]:
    torch.manual_seed(0)
    return CASES[request.param]


def open_gates(module: nn.Module) -> None:
    """Parts start as the identity, with a gate of zero that blocks gradients: open it.

    Stochastic depth shuts a branch now and then: keep it open.
    """
    for part in module.modules():
        if isinstance(part, Msfm):
            nn.init.ones_(part.restore[1].weight)  # type: ignore[arg-type]
        if isinstance(part, SelfAttention):
            nn.init.ones_(part.gamma)
        if isinstance(part, StochasticDepth):
            part.p = 0.0


def gated(module: nn.Module) -> bool:
    return any(isinstance(part, (Msfm, SelfAttention)) for part in module.modules())


def shapes(maps: Sequence[Tensor]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(x.shape) for x in maps)


def test_every_operator_has_one_module_of_its_kind() -> None:
    """Heads are tested with the detectors."""
    for kind, table in {**TABLES, Kind.part: PARTS}.items():
        assert set(table) == {name for name, spec in OPS.items() if spec.kind is kind}
    names = [name for table in TABLES.values() for name in table]
    assert len(set(names)) == len(names)


def test_every_operator_and_attribute_has_a_case() -> None:
    for name, spec in OPS.items():
        if spec.kind is not Kind.head and name not in EXTRAS:
            assert {key for case in CASES[name] for key, _ in case.op.attributes} == set(spec.fields)


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_maps_have_the_declared_shape(cases: list[Case], training: bool) -> None:
    for case in cases:
        made = case.run(case.build().train(training), case.inputs())
        assert shapes(made) == case.makes, case
        assert all(x.isfinite().all() for x in made), case


def test_double_precision_stays_double(cases: list[Case]) -> None:
    for case in cases:
        made = case.run(case.build().double(), case.inputs(dtype=torch.float64))
        assert {x.dtype for x in made} == {torch.float64}, case


def test_gradients_reach_every_parameter_and_input(cases: list[Case]) -> None:
    for case in cases:
        module, maps = case.build().train(), case.inputs()
        open_gates(module)
        sum((x * torch.randn_like(x)).sum() for x in case.run(module, maps)).backward()  # type: ignore[union-attr]
        for name, parameter in module.named_parameters():
            assert parameter.grad is not None, (name, case)
            assert parameter.grad.isfinite().all(), (name, case)
            assert parameter.grad.any() or name.endswith("bias"), (name, case)  # softmax and norm cancel some biases
        assert all(x.grad is not None and x.grad.any() for x in maps), case


def test_inputs_are_not_modified(cases: list[Case]) -> None:
    """Another node may read the same map."""
    for case in cases:
        maps = [x.detach() for x in case.inputs()]
        with torch.inference_mode():
            case.run(case.build().eval(), maps)
        assert all(torch.equal(x, y) for x, y in zip(maps, case.inputs(), strict=True)), case


def test_a_seed_determines_the_weights_and_the_maps(cases: list[Case]) -> None:
    for case in cases:
        made = []
        for _ in range(2):
            torch.manual_seed(7)
            module = case.build().train()
            made.append([*case.run(module, case.inputs()), *module.state_dict().values()])
        assert all(torch.equal(x, y) for x, y in zip(*made, strict=True)), case


def test_an_image_has_the_same_maps_alone_and_in_a_batch(cases: list[Case]) -> None:
    for case in cases:
        module, maps = case.build().eval(), case.inputs()
        open_gates(module)
        with torch.inference_mode():
            together, alone = case.run(module, maps), case.run(module, [x[1:] for x in maps])
        for x, y in zip(together, alone, strict=True):
            torch.testing.assert_close(x[1:], y, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", PARTS)
def test_a_part_starts_as_the_identity(name: str) -> None:
    module, x = PARTS[name](op(name), 32), torch.randn(2, 32, 5, 7)
    assert gated(module)
    assert torch.equal(module(x), x)
    open_gates(module)
    assert not torch.allclose(module(x), x)


@pytest.mark.parametrize("name", PARTS)
def test_a_part_accepts_a_single_pixel(name: str) -> None:
    for operator in variants(Kind.part):
        if operator.name == name:
            assert PARTS[name](operator, 64)(torch.randn(1, 64, 1, 1)).isfinite().all()


@pytest.mark.parametrize("name", FUSES)
def test_fusing_equal_maps_keeps_them(name: str) -> None:
    """Weights sum to one, except in a plain sum and behind a gate; a concatenation stacks the maps."""
    x = torch.randn(2, 8, 5, 7)
    fuse = FUSES[name].build(op(name), [MapSpec(3, 8, 8)] * 3, BUILD).eval()
    gate = x.amax((2, 3), keepdim=True).sigmoid()
    expected = {"sum": 3 * x, "attention": (2 + gate) * x, "concat": torch.cat([x, x, x], 1)}.get(name, x)
    torch.testing.assert_close(fuse([x, x, x]), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", [name for name in BLOCKS if "repeats" in OPS[name].fields])
def test_repeats_multiply(name: str) -> None:
    def parameters(repeats: int, times: int) -> int:
        expansion = OPS[name].expansion
        entry = MapSpec(3, 8, 8 * expansion)
        block = BLOCKS[name].build(op(name, repeats=repeats), entry, entry, Build(Scale(repeats=times)))
        return sum(p.numel() for p in block.parameters())

    assert parameters(6, 1) == parameters(3, 2) == parameters(2, 3)
    assert parameters(2, 1) > parameters(1, 1)
