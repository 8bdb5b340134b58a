"""Decoding: genotype and scale to a network. Only live nodes are built."""

from collections import OrderedDict
from collections.abc import Callable

from torch import Tensor, nn
from torchvision.ops import DeformConv2d

from nas.ops.block import BLOCKS
from nas.ops.block.residual import ResidualUnit
from nas.ops.common import Build, OwnWeights
from nas.ops.fuse import FUSES
from nas.ops.maps import MapSpec, Size
from nas.ops.resample import RESAMPLES
from nas.ops.stem import STEMS
from nas.shapes import last_readers, node_shapes, stem_shapes
from search_spaces.genotype import Genotype, Node, Scale


class Backbone(nn.Module):
    """A decoded genotype that follows torchvision's interface of detection backbones.

    Attributes:
        out_channels: channels of the outputs; of the finest one if a head reads several widths.
        widths: channels of each output, finest first.
        levels: level of each output, finest first.
    """

    def __init__(self, genotype: Genotype, build: Build) -> None:
        super().__init__()
        self.stem = STEMS[genotype.stem.name].build(genotype.stem, build)
        maps = stem_shapes(genotype.stem, build.scale)
        self.stem_names = tuple(maps)
        self.nodes = nn.ModuleDict()
        for node in genotype.live:
            module = FeatureNode(node, [maps[edge.source] for edge in node.inputs], build)
            self.nodes[f"node_{node.name}"] = module  # a bare name may clash with an attribute of ModuleDict
            maps[node.name] = module.spec
        self.inputs = {node.name: tuple(edge.source for edge in node.inputs) for node in genotype.live}
        self.strides = {node.name: 2**node.level for node in genotype.live}
        self.outputs = genotype.outputs
        self.levels = genotype.levels
        self.widths = tuple(maps[name].channels for name in self.outputs)
        self.out_channels = self.widths[0]
        self.released = last_readers(genotype)

    def forward(self, image: Tensor) -> OrderedDict[str, Tensor]:
        """(N, 3, H, W) -> {"p3": (N, out_channels, H/8, W/8), ...}, sizes rounded up."""
        height, width = image.shape[-2:]
        maps = dict(zip(self.stem_names, self.stem(image), strict=True))
        for (name, sources), node in zip(self.inputs.items(), self.nodes.values(), strict=True):
            stride = self.strides[name]
            size = -(-height // stride), -(-width // stride)
            maps[name] = node([maps[source] for source in sources], size)
            for source in self.released[name]:
                del maps[source]
        return OrderedDict((f"p{level}", maps[name]) for level, name in zip(self.levels, self.outputs, strict=True))


class FeatureNode(nn.Module):
    """One node: resample the inputs, fuse them, run the block.

    Attributes:
        spec: shape of its output.
    """

    def __init__(self, node: Node, sources: list[MapSpec], build: Build) -> None:
        super().__init__()
        target, resampled, entry, self.spec = node_shapes(node, sources, build.scale)
        self.edges = nn.ModuleList(
            RESAMPLES[edge.op.name].build(edge.op, source, target, build)
            for edge, source in zip(node.inputs, sources, strict=True)
        )
        self.fuse = FUSES[node.fuse.name].build(node.fuse, resampled, build)
        self.block = BLOCKS[node.block.name].build(node.block, entry, target, build)

    def forward(self, maps: list[Tensor], size: Size) -> Tensor:
        return self.block(self.fuse([edge(x, size) for edge, x in zip(self.edges, maps, strict=True)]))


def decode(genotype: Genotype, scale: Scale, *, norm_layer: Callable[[int], nn.Module] = nn.BatchNorm2d) -> Backbone:
    """Build the network of a genotype at a scale, with freshly initialised weights.

    Args:
        genotype: the topology.
        scale: size of the network.
        norm_layer: makes the norm for a number of channels, as in torchvision.

    Returns:
        A module (N, 3, H, W) -> ordered maps by level, with `.out_channels`: a torchvision detection backbone.
    """
    backbone = Backbone(genotype, Build(scale, norm_layer))
    if not next(backbone.parameters()).is_meta:  # initialisation has no effect there and costs time
        _initialise(backbone)
    return backbone


def _initialise(module: nn.Module) -> None:
    """Initialise as torchvision's ResNets, each residual block as the identity (arXiv 1706.02677, section 5.1).

    Short trainings gain most from the latter: SpineNet-49 at a small scale has .16 AP without it and .22 with it.
    Modules of class `OwnWeights` keep their own initialisation.
    """
    for child in module.children():
        if not isinstance(child, OwnWeights):
            _initialise(child)
    if isinstance(module, (nn.Conv2d, DeformConv2d)):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    if isinstance(module, ResidualUnit):
        last = next((m for m in reversed(list(module.body.modules())) if isinstance(m, nn.BatchNorm2d)), None)
        if last is not None:
            nn.init.zeros_(last.weight)
