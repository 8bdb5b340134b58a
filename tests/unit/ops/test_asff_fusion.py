"""ASFF against its formula, in every way it is run."""

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


def given(inputs: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    maps = (torch.randn(2, 8, 5, 7, generator=generator, dtype=torch.float64) for _ in range(inputs))
    return [x.requires_grad_() for x in maps]


def formula(fuse: Asff, maps: list[Tensor]) -> Tensor:
    """Equation 1 of the paper, over all inputs at once."""
    return fuse.act(torch.einsum("nbchw,bnhw->bchw", torch.stack(maps), fuse.weights(maps)))


def slopes(made: Tensor, fuse: Asff, maps: list[Tensor]) -> tuple[Tensor, ...]:
    direction = torch.randn(made.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return torch.autograd.grad(made, [*maps, *fuse.parameters()], direction, create_graph=True)


def close(made: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(made, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("act", ["none", "leaky_relu"])
@pytest.mark.parametrize("inputs", [2, 3, 4])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_values_and_gradients_are_the_formulas(inputs: int, act: str, layout: torch.memory_format) -> None:
    fuse, maps = asff(inputs, act), [x.contiguous(memory_format=layout) for x in given(inputs)]
    made, expected = fuse(maps), formula(fuse, maps)
    close(made, expected)
    firsts, their_firsts = slopes(made, fuse, maps), slopes(expected, fuse, maps)
    for ours, theirs in zip(firsts, their_firsts, strict=True):
        close(ours, theirs)
    for ours, theirs in zip(slopes(firsts[0], fuse, maps), slopes(their_firsts[0], fuse, maps), strict=True):
        close(ours, theirs)


def test_half_precision_is_near() -> None:
    """As trained on GPUs: maps arrive in bfloat16, their weights in single precision."""
    fuse, maps = asff(3).float(), [x.float() for x in given(3)]
    with torch.autocast("cpu", torch.bfloat16):
        made = fuse([x.bfloat16() for x in maps])
    made.sum().backward()
    torch.testing.assert_close(made.float(), fuse(maps), rtol=0.05, atol=0.05)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in fuse.parameters())


@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=pytest.mark.slow)])
def test_compiled_it_computes_the_same(backend: str) -> None:
    if backend == "inductor" and not shutil.which("g++"):
        pytest.skip("no C++ compiler")
    plain, compiled, maps = asff(3), asff(3), given(3)
    compiled.compile(backend=backend, fullgraph=True)
    made, expected = compiled(maps), plain(maps)
    close(made, expected)
    ones = torch.ones_like(made)
    ours = torch.autograd.grad(made, [*maps, *compiled.parameters()], ones)
    for slope, theirs in zip(ours, torch.autograd.grad(expected, [*maps, *plain.parameters()], ones), strict=True):
        close(slope, theirs)
