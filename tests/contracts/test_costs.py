"""The cost formulas of operators, heads and whole genotypes, compared with the modules.

Counts equal those of `torch.utils.flop_counter`. Peak memory equals that of the live tensors within the tolerances
of the tests.
"""

import random
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence

import pytest
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from nas.cost import cost
from nas.count import LiveBytes, counted
from nas.detectors import HEADS, DetectorConfig, build_detector
from nas.ops.block import BLOCKS
from nas.ops.common import Build
from nas.ops.fuse import FUSES
from nas.ops.maps import MapSpec
from nas.ops.resample import RESAMPLES
from nas.ops.stem import STEMS
from nas.ops.tally import Tally
from nas.shapes import stem_shapes
from search_spaces.choose import sample
from search_spaces.genotype import Genotype, Scale
from search_spaces.ops import Kind, Op
from search_spaces.registry import SPACES
from search_spaces.zoo import ZOO, zoo
from tests.operator_cases import variants

CLASSES = 7
SIZES = (96, 75, 130)
"""px; includes sizes that are not multiples of a stride."""
SCALES = (
    Scale(width=0.125, alpha=1.0, output_width=32),
    Scale(width=0.125, alpha=0.5, output_width=32, stem=1 / 16, repeats=2, head_depth=1),
)
"""The proxy's scale, and one with a narrow stem, whose peak memory is in the nodes."""


def measured(module: nn.Module, run: Callable[..., object], *inputs: object) -> tuple[tuple[int, int, int], int]:
    """The counts of `counted`, and the peak number of live elements. Attention is decomposed so that it is counted."""
    with sdpa_kernel(SDPBackend.MATH):
        counts = counted(module, run, *inputs)
        with (
            LiveBytes() as live,
            torch.no_grad(),
        ):  # inference mode would hide intermediate tensors of composite operators
            run(*inputs)
    return counts, live.peak // 4


def check(tally: Tally, module: nn.Module, run: Callable[..., object], *inputs: object, high: float = 1.5) -> None:
    counts, working = measured(module.eval(), run, *inputs)
    assert tally.count[:3] == counts
    assert 0.8 * working <= tally.count.working <= high * working


def blank(maps: Sequence[MapSpec], tally: Tally) -> list[Tensor]:
    return [torch.zeros(1, m.channels, tally.side(m.level), tally.side(m.level)) for m in maps]


class Pyramid(nn.Module):
    """A backbone without weights that returns given maps."""

    def __init__(self, maps: Sequence[MapSpec], tally: Tally) -> None:
        super().__init__()
        self.levels, self.widths = tuple(m.level for m in maps), tuple(m.channels for m in maps)
        self.out_channels = self.widths[0]
        self.maps = OrderedDict(zip((f"p{level}" for level in self.levels), blank(maps, tally), strict=True))

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        return self.maps


def drawn(kind: Kind) -> Iterator[tuple[Op, random.Random, Tally]]:
    """Every operator of a kind, varying one attribute at a time, at three random sizes each."""
    for operator in variants(kind):
        rng = random.Random(repr(operator))
        for _ in range(3):
            scale = Scale(alpha=rng.choice((0.3, 1.5)), repeats=rng.choice((1, 2)), stem=rng.choice((0.3, 1.0)))
            yield operator, rng, Tally(scale, rng.choice(SIZES))


def test_cost_of_a_stem_equals_that_of_its_module() -> None:
    for operator, _, tally in drawn(Kind.stem):
        maps = tuple(stem_shapes(operator, tally.scale).values())
        STEMS[operator.name].cost(operator, maps, tally)
        stem = STEMS[operator.name].build(operator, Build(tally.scale))
        check(tally, stem, stem, torch.zeros(1, 3, tally.image_size, tally.image_size))


def test_cost_of_a_resample_equals_that_of_its_module() -> None:
    for operator, rng, tally in drawn(Kind.resample):
        source = MapSpec(rng.randint(1, 6), rng.choice((8, 12)), rng.choice((8, 12, 48)))
        level = rng.randint(1, 6) if operator.spec.moves else source.level
        target = MapSpec(level, 12, rng.choice((8, 12, 48)))
        RESAMPLES[operator.name].cost(operator, source, target, tally)
        edge = RESAMPLES[operator.name].build(operator, source, target, Build(tally.scale))
        check(tally, edge, edge, *blank([source], tally), (tally.side(level),) * 2)


def test_cost_of_a_fusion_equals_that_of_its_module() -> None:
    for operator, rng, tally in drawn(Kind.fuse):
        level, channels = rng.randint(1, 6), rng.choice((8, 48))
        stacks = operator.spec.stacks
        count = rng.randint(1 if operator.name == "sum" else 2, 4)
        inputs = [MapSpec(level, 8, channels + stacks * i) for i in range(count)]
        FUSES[operator.name].cost(operator, inputs, tally)
        fuse = FUSES[operator.name].build(operator, inputs, Build(tally.scale))
        check(tally, fuse, fuse, blank(inputs, tally))


def test_cost_of_a_block_equals_that_of_its_module() -> None:
    for operator, rng, tally in drawn(Kind.block):
        spec = operator.spec
        level, width = rng.randint(1, 5), rng.choice((8, 13))
        target = MapSpec(level + (rng.randint(0, 1) if spec.moves else 0), width, width * spec.expansion)
        entry = MapSpec(level, width, rng.choice((8, 13, 32, 52)) if spec.widens else target.channels)
        BLOCKS[operator.name].cost(operator, entry, target, tally)
        block = BLOCKS[operator.name].build(operator, entry, target, Build(tally.scale))
        check(tally, block, block, *blank([entry], tally))


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_cost_of_a_head_equals_that_of_its_module(depth: int) -> None:
    """The estimate assumes that all levels run at once, though they run one by one, so its peak is too high."""
    for operator in variants(Kind.head):
        rng = random.Random(depth)
        free = operator.name not in ("fcos", "yolov3")
        deep = depth or int(operator.name == "mask_rcnn")
        scale = Scale(head_depth=deep, head_width=rng.choice((None, 48)) if free else None)
        tally, channels, finest = Tally(scale, rng.choice(SIZES)), rng.choice((32, 64)), rng.randint(2, 4)
        maps = [
            MapSpec(finest + i, channels, channels if operator.spec.one_width else channels + 4 * i)
            for i in range(rng.randint(1, 5))
        ]
        HEADS[operator.name].cost(operator, maps, CLASSES, tally)
        head = HEADS[operator.name].build(Pyramid(maps, tally), operator, scale, CLASSES, DetectorConfig())  # type: ignore[arg-type]
        check(tally, head, head.network, torch.zeros(1, 3, tally.image_size, tally.image_size), high=2.1)  # type: ignore[arg-type]


def check_whole(genotype: Genotype, scale: Scale, size: int) -> None:
    found = cost(genotype, scale, image_size=size, num_classes=CLASSES)
    model, image = build_detector(genotype, scale, CLASSES).eval(), torch.zeros(1, 3, size, size)
    counts, alive = measured(model, model.network, image)  # type: ignore[arg-type]
    assert (found.parameters, found.macs, found.activations) == counts
    assert found.trainable_parameters == found.parameters
    assert found.peak_memory / 4 - found.parameters == pytest.approx(alive + image.numel(), rel=0.15)


@pytest.mark.parametrize("name", SPACES)
def test_cost_of_a_genotype_equals_that_of_its_detector(name: str) -> None:
    rng = random.Random(name)
    for scale in SCALES:
        check_whole(sample(SPACES[name], rng).value, scale, rng.choice(SIZES))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", SPACES)
def test_cost_of_500_genotypes_equals_that_of_their_detectors(name: str) -> None:
    rng = random.Random(name)
    for i in range(500):
        check_whole(sample(SPACES[name], rng).value, SCALES[i % 2], rng.choice(SIZES))


@pytest.mark.parametrize(
    "name", ["spinenet-49", "yolov3-asff-rfb", "mask-rcnn-r50-fpn-msfm", "retinanet-r50-fpn-dsa-conf"]
)
def test_cost_of_a_published_system_equals_that_of_its_detector(name: str) -> None:
    assert name in ZOO
    narrow = Scale(width=0.125, output_width=32, stem=0.25)
    check_whole(zoo(name).genotype, narrow, 96)
