"""The ASFF fusion against its formula: eager, under autocast and compiled."""

import shutil

import pytest
import torch
from torch import Tensor

from nas.ops.common import Build
from nas.ops.fuse.asff import Asff
from nas.ops.maps import MapSpec
from search_spaces.genotype import Scale
from search_spaces.ops import op


def asff(inputs: int, act: str = "leaky_relu") -> Asff:
    torch.manual_seed(0)
    return Asff(op("asff", act=act), [MapSpec(3, 8, 8)] * inputs, Build(Scale())).double()


def random_maps(inputs: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    maps = (torch.randn(2, 8, 5, 7, generator=generator, dtype=torch.float64) for _ in range(inputs))
    return [x.requires_grad_() for x in maps]


def formula(fuse: Asff, maps: list[Tensor]) -> Tensor:
    """Equation 1 of the paper, computed over all inputs at once."""
    return fuse.act(torch.einsum("nbchw,bnhw->bchw", torch.stack(maps), fuse.weights(maps)))


def gradients(made: Tensor, fuse: Asff, maps: list[Tensor]) -> tuple[Tensor, ...]:
    direction = torch.randn(made.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return torch.autograd.grad(made, [*maps, *fuse.parameters()], direction, create_graph=True)


def assert_close(made: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(made, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("act", ["none", "leaky_relu"])
@pytest.mark.parametrize("inputs", [2, 3, 4])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_asff_values_and_gradients_match_the_formula(inputs: int, act: str, layout: torch.memory_format) -> None:
    fuse, maps = asff(inputs, act), [x.contiguous(memory_format=layout) for x in random_maps(inputs)]
    made, expected = fuse(maps), formula(fuse, maps)
    assert_close(made, expected)
    first_order, their_first_order = gradients(made, fuse, maps), gradients(expected, fuse, maps)
    for ours, theirs in zip(first_order, their_first_order, strict=True):
        assert_close(ours, theirs)
    for ours, theirs in zip(
        gradients(first_order[0], fuse, maps), gradients(their_first_order[0], fuse, maps), strict=True
    ):
        assert_close(ours, theirs)


def test_asff_in_bfloat16_is_close_to_float32() -> None:
    """As in training on GPUs: maps in bfloat16, weights in float32."""
    fuse, maps = asff(3).float(), [x.float() for x in random_maps(3)]
    with torch.autocast("cpu", torch.bfloat16):
        made = fuse([x.bfloat16() for x in maps])
    made.sum().backward()
    torch.testing.assert_close(made.float(), fuse(maps), rtol=0.05, atol=0.05)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in fuse.parameters())


@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=pytest.mark.slow)])
def test_compiled_asff_computes_the_same(backend: str) -> None:
    if backend == "inductor" and not shutil.which("g++"):
        pytest.skip("no C++ compiler")
    plain, compiled, maps = asff(3), asff(3), random_maps(3)
    compiled.compile(backend=backend, fullgraph=True)
    made, expected = compiled(maps), plain(maps)
    assert_close(made, expected)
    ones = torch.ones_like(made)
    ours = torch.autograd.grad(made, [*maps, *compiled.parameters()], ones)
    for gradient, theirs in zip(ours, torch.autograd.grad(expected, [*maps, *plain.parameters()], ones), strict=True):
        assert_close(gradient, theirs)
