"""The contract of every operator: it has a specification and a module, returns the declared map, and is trainable.

The cases come from the vocabulary, so the tests cover every operator and attribute that is added there.
"""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from nas.ops.block import BLOCKS
from nas.ops.common import Build
from nas.ops.fuse import FUSES
from nas.ops.maps import MapSpec
from nas.ops.part.dsa import SelfAttention
from nas.ops.part.msfm import Msfm
from search_spaces.genotype import Scale
from search_spaces.ops import OPS, Kind, op
from tests.operator_cases import BUILD, CASES, EXTRAS, PARTS, TABLES, Case, open_gates, variants


@pytest.fixture(params=CASES)
def cases(request: pytest.FixtureRequest) -> list[Case]:
    torch.manual_seed(0)
    return CASES[request.param]


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


def test_maps_of_double_precision_inputs_are_double(cases: list[Case]) -> None:
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
            assert parameter.grad.any() or name.endswith("bias"), (name, case)  # softmax and norms cancel some biases
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


def test_maps_of_an_image_do_not_depend_on_its_batch(cases: list[Case]) -> None:
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
def test_fusing_equal_maps_returns_them(name: str) -> None:
    """Weights sum to one, except in a plain sum and behind a gate; a concatenation stacks the maps."""
    x = torch.randn(2, 8, 5, 7)
    fuse = FUSES[name].build(op(name), [MapSpec(3, 8, 8)] * 3, BUILD).eval()
    gate = x.amax((2, 3), keepdim=True).sigmoid()
    expected = {"sum": 3 * x, "attention": (2 + gate) * x, "concat": torch.cat([x, x, x], 1)}.get(name, x)
    torch.testing.assert_close(fuse([x, x, x]), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", [name for name in BLOCKS if "repeats" in OPS[name].fields])
def test_repeats_of_operator_and_scale_multiply(name: str) -> None:
    def parameters(repeats: int, times: int) -> int:
        expansion = OPS[name].expansion
        entry = MapSpec(3, 8, 8 * expansion)
        block = BLOCKS[name].build(op(name, repeats=repeats), entry, entry, Build(Scale(repeats=times)))
        return sum(p.numel() for p in block.parameters())

    assert parameters(6, 1) == parameters(3, 2) == parameters(2, 3)
    assert parameters(2, 1) > parameters(1, 1)
